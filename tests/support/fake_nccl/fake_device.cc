#include <chrono>
#include <cstdlib>

#include "tests/support/fake_nccl/fake_control.h"
#include "tests/support/fake_nccl/fake_machine.h"
#include "worker/cuda/device_api.h"

namespace autotp::fake {

Machine& Machine::Get() {
  static auto* machine = new Machine;
  return *machine;
}

Stream* Machine::MakeStream() { return &streams_.emplace_back(); }

void Machine::DestroyStream(Stream* stream) {
  streams_.remove_if([stream](const Stream& s) { return &s == stream; });
}

void Machine::Enqueue(Stream* stream, Task task) {
  stream->tasks.push_back(std::move(task));
  Advance();
}

void Machine::Advance() {
  for (bool again = true; again;) {
    again = false;
    for (Stream& stream : streams_) {
      while (!stream.tasks.empty() && stream.tasks.front()()) {
        stream.tasks.pop_front();
        again = true;
      }
    }
  }
  changed.notify_all();
}

Stream* CurrentStream() {
  thread_local Stream* stream = nullptr;
  if (stream == nullptr) {
    Machine& machine = Machine::Get();
    std::lock_guard<std::mutex> lock(machine.mutex);
    stream = machine.MakeStream();
  }
  return stream;
}

namespace {

using EventHandle = std::shared_ptr<Event>;  // tasks outlive handles

EventHandle& Handle(void* event) { return *static_cast<EventHandle*>(event); }

int DeviceCount(int* count) {
  *count = 1;
  return 0;
}
int CurrentDevice(int* device) {
  *device = 0;
  return 0;
}
int SetDevice(int) { return 0; }
void* CurrentStreamHandle() { return CurrentStream(); }

int CreateStream(void** stream) {
  Machine& machine = Machine::Get();
  std::lock_guard<std::mutex> lock(machine.mutex);
  *stream = machine.MakeStream();
  return 0;
}
void DestroyStream(void* stream) {
  Machine& machine = Machine::Get();
  std::lock_guard<std::mutex> lock(machine.mutex);
  machine.DestroyStream(static_cast<Stream*>(stream));
}

int CreateEvent(void** event) {
  *event = new EventHandle(std::make_shared<Event>());
  return 0;
}
void DestroyEvent(void* event) { delete static_cast<EventHandle*>(event); }

int Record(void* handle, void* stream) {
  Machine& machine = Machine::Get();
  std::lock_guard<std::mutex> lock(machine.mutex);
  EventHandle event = Handle(handle);
  const uint64_t turn = ++event->recorded;
  machine.Enqueue(static_cast<Stream*>(stream), [event, turn] {
    event->reached = turn;
    return true;
  });
  return 0;
}

int Wait(void* stream, void* handle) {
  Machine& machine = Machine::Get();
  std::lock_guard<std::mutex> lock(machine.mutex);
  EventHandle event = Handle(handle);
  const uint64_t turn = event->recorded;
  machine.Enqueue(static_cast<Stream*>(stream),
                  [event, turn] { return event->reached >= turn; });
  return 0;
}

int Query(void* handle) {
  Machine& machine = Machine::Get();
  std::lock_guard<std::mutex> lock(machine.mutex);
  const EventHandle& event = Handle(handle);
  return event->reached == event->recorded ? 0 : kAutotpDeviceNotReady;
}

int Allocate(void** memory, size_t bytes) {
  *memory = std::calloc(bytes, 1);
  return 0;
}
void Release(void* memory) { std::free(memory); }
const char* ErrorText(int) { return "fake error"; }

constexpr AutotpDeviceApi kApi{kAutotpDeviceVersion,
                               DeviceCount,
                               CurrentDevice,
                               SetDevice,
                               CurrentStreamHandle,
                               CreateStream,
                               DestroyStream,
                               CreateEvent,
                               DestroyEvent,
                               Record,
                               Wait,
                               Query,
                               Allocate,
                               Release,
                               ErrorText};

}  // namespace
}  // namespace autotp::fake

extern "C" {

__attribute__((visibility("default"))) const AutotpDeviceApi*
autotp_device_api() {
  return &autotp::fake::kApi;
}

__attribute__((visibility("default"))) int fake_device_synchronize(
    int timeout_ms) {
  autotp::fake::Stream* stream = autotp::fake::CurrentStream();
  autotp::fake::Machine& machine = autotp::fake::Machine::Get();
  std::unique_lock<std::mutex> lock(machine.mutex);
  return machine.changed.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                                  [stream] { return stream->tasks.empty(); });
}

}  // extern "C"
