#include "worker/collective/gloo/gloo_plugin.h"

#include <dlfcn.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/store.h>
#include <gloo/transport/tcp/device.h>
#include <gloo/transport/unbound_buffer.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

using std::chrono::milliseconds;
using std::chrono::steady_clock;

struct AutotpGlooMesh {
  std::shared_ptr<gloo::rendezvous::Context> context;
  std::mutex mutex;
  // Under the mutex: what an exchange under way waits for.
  bool aborted = false;
  bool closed = false;
  bool exchanging = false;
  std::vector<std::unique_ptr<gloo::transport::UnboundBuffer>> sends;
  std::vector<std::unique_ptr<gloo::transport::UnboundBuffer>> receives;
};

namespace {

class Store final : public gloo::rendezvous::Store {
 public:
  Store(const AutotpGlooStore& store, milliseconds timeout)
      : store_(store), deadline_(steady_clock::now() + timeout) {}

  void set(const std::string& key, const std::vector<char>& data) override {
    if (store_.set(store_.context, key.c_str(), data.data(), data.size()) != 0)
      throw std::runtime_error("cannot set the rendezvous key " + key);
  }
  std::vector<char> get(const std::string& key) override {
    std::vector<char> value(64 << 10);  // the most that a rendezvous holds
    const auto left = std::chrono::duration_cast<milliseconds>(
        deadline_ - steady_clock::now());
    const int64_t bytes =
        store_.get(store_.context, key.c_str(), value.data(), value.size(),
                   std::max<int64_t>(left.count(), 0));
    if (bytes < 0)
      throw std::runtime_error("no value came for the rendezvous key " + key);
    value.resize(bytes);
    return value;
  }
  void wait(const std::vector<std::string>& keys) override {
    for (const std::string& key : keys) get(key);
  }
  void wait(const std::vector<std::string>& keys,
            const milliseconds& /*timeout*/) override {
    wait(keys);
  }

 private:
  const AutotpGlooStore store_;
  const steady_clock::time_point deadline_;
};

int Fail(AutotpGlooError* error, int code, const std::string& message) {
  error->code = code;
  std::snprintf(error->message, sizeof(error->message), "%s", message.c_str());
  return code;
}

// Gloo's own texts begin with the place in its source: "[file:line] ".
std::string TextOf(const std::exception& exception) {
  const std::string text = exception.what();
  const size_t end = text.find("] ");
  return !text.empty() && text[0] == '[' && end != std::string::npos
             ? text.substr(end + 2)
             : text;
}

// Gloo writes to sockets that a peer may have closed. The signal that this
// raises in the writing thread ends the process, so it is kept from this
// thread and from those that it starts; the write's error is enough.
class NoPipeSignal {
 public:
  NoPipeSignal() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    was_pending_ = sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoPipeSignal() {
    const timespec now{0, 0};
    if (!was_pending_) sigtimedwait(&pipe_, nullptr, &now);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoPipeSignal(const NoPipeSignal&) = delete;
  NoPipeSignal& operator=(const NoPipeSignal&) = delete;

 private:
  sigset_t pipe_;
  sigset_t before_;
  bool was_pending_;
};

// The library that the virtual functions of `object` come from.
std::string OriginOf(const void* object) {
  void* const* table = *static_cast<void* const* const*>(object);
  Dl_info info{};
  if (dladdr(table[0], &info) == 0 || info.dli_fname == nullptr) return "?";
  return info.dli_fname;
}

bool IsGloo(const std::string& path) {
  const size_t slash = path.rfind('/');
  const size_t name = slash == std::string::npos ? 0 : slash + 1;
  return path.compare(name, 7, "libgloo") == 0;
}

AutotpGlooMesh* Connect(int rank, int size, const char* address,
                        const AutotpGlooStore* store, int64_t timeout_ms,
                        AutotpGlooError* error) {
  const NoPipeSignal no_pipe_signal;
  const auto start = steady_clock::now();
  const milliseconds timeout(std::max<int64_t>(timeout_ms, 1));
  try {
    std::shared_ptr<gloo::transport::Device> device =
        gloo::transport::tcp::CreateDevice(gloo::transport::tcp::attr(address));
    if (const std::string origin = OriginOf(device.get()); !IsGloo(origin)) {
      Fail(error, kAutotpGlooBroken, "Gloo's functions come from " + origin);
      return nullptr;
    }
    auto mesh = std::make_unique<AutotpGlooMesh>();
    mesh->context = std::make_shared<gloo::rendezvous::Context>(rank, size);
    mesh->context->setTimeout(timeout);
    Store rendezvous(*store, timeout);
    mesh->context->connectFullMesh(rendezvous, device);
    return mesh.release();
  } catch (const std::exception& exception) {
    const bool late = steady_clock::now() - start >= timeout;
    Fail(error, late ? kAutotpGlooTimeout : kAutotpGlooUnavailable,
         TextOf(exception));
    return nullptr;
  }
}

void Close(AutotpGlooMesh& mesh) {  // under its mutex
  if (mesh.closed) return;
  mesh.closed = true;
  try {
    mesh.context->closeConnections();
  } catch (const std::exception&) {
    // The connections of a broken mesh: closed is what they are.
  }
}

// False if aborted; throws what Gloo throws.
bool Transfer(AutotpGlooMesh& mesh, const AutotpGlooTransfer* sends,
              size_t sends_count, const AutotpGlooTransfer* receives,
              size_t receives_count, steady_clock::time_point deadline) {
  {
    std::lock_guard<std::mutex> lock(mesh.mutex);
    if (mesh.aborted || mesh.closed) return false;
    mesh.exchanging = true;
    for (size_t i = 0; i < receives_count; ++i) {
      mesh.receives.push_back(mesh.context->createUnboundBuffer(
          receives[i].data, receives[i].bytes));
      mesh.receives.back()->recv(receives[i].peer, receives[i].slot);
    }
    for (size_t i = 0; i < sends_count; ++i) {
      mesh.sends.push_back(
          mesh.context->createUnboundBuffer(sends[i].data, sends[i].bytes));
      mesh.sends.back()->send(sends[i].peer, sends[i].slot);
    }
  }
  const auto left = [deadline] {
    return std::max(milliseconds(1), std::chrono::duration_cast<milliseconds>(
                                         deadline - steady_clock::now()));
  };
  for (auto& buffer : mesh.receives) {
    if (!buffer->waitRecv(left())) return false;
  }
  for (auto& buffer : mesh.sends) {
    if (!buffer->waitSend(left())) return false;
  }
  return true;
}

int Exchange(AutotpGlooMesh* mesh, const AutotpGlooTransfer* sends,
             size_t sends_count, const AutotpGlooTransfer* receives,
             size_t receives_count, int64_t timeout_ms,
             AutotpGlooError* error) {
  const NoPipeSignal no_pipe_signal;
  const auto deadline = steady_clock::now() + milliseconds(timeout_ms);
  int code = kAutotpGlooOk;
  try {
    if (!Transfer(*mesh, sends, sends_count, receives, receives_count,
                  deadline)) {
      code = Fail(error, kAutotpGlooAborted, "aborted");
    }
  } catch (const std::exception& exception) {
    code = Fail(error,
                steady_clock::now() >= deadline ? kAutotpGlooTimeout
                                                : kAutotpGlooUnavailable,
                TextOf(exception));
  }
  std::lock_guard<std::mutex> lock(mesh->mutex);
  mesh->exchanging = false;
  // Closed first: nothing may still write into the caller's memory.
  if (code != kAutotpGlooOk) Close(*mesh);
  mesh->sends.clear();
  mesh->receives.clear();
  if (code != kAutotpGlooOk && mesh->aborted) error->code = kAutotpGlooAborted;
  return code == kAutotpGlooOk ? code : error->code;
}

void Abort(AutotpGlooMesh* mesh) {
  const NoPipeSignal no_pipe_signal;
  std::lock_guard<std::mutex> lock(mesh->mutex);
  mesh->aborted = true;
  for (auto& buffer : mesh->receives) buffer->abortWaitRecv();
  for (auto& buffer : mesh->sends) buffer->abortWaitSend();
  if (!mesh->exchanging) Close(*mesh);  // else the exchange does it
}

void Destroy(AutotpGlooMesh* mesh) {
  const NoPipeSignal no_pipe_signal;
  delete mesh;
}

constexpr AutotpGlooApi kApi{kAutotpGlooVersion, Connect, Exchange, Abort,
                             Destroy};

}  // namespace

extern "C" __attribute__((visibility("default"))) const AutotpGlooApi*
autotp_gloo_api() {
  return &kApi;
}
