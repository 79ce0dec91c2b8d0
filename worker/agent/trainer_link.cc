#include "worker/agent/trainer_link.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "spdlog/spdlog.h"

namespace autotp::agent {
namespace {
constexpr size_t kReadBytes = size_t{64} << 10;
}  // namespace

TrainerLink::TrainerLink(EventLoop& loop, UniqueFd socket,
                         std::function<void(const v1::FromTrainer&)> on_message)
    : loop_(loop),
      socket_(std::move(socket)),
      on_message_(std::move(on_message)) {
  UpdateWatch();
}

TrainerLink::~TrainerLink() { loop_.Unwatch(socket_.get()); }

absl::Status TrainerLink::Send(const v1::ToTrainer& message) {
  if (closed_) return absl::UnavailableError("the trainer's socket has ended");
  if (waiting_.size() > kWaitingBytesMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the trainer has not read ", waiting_.size(), " bytes"));
  }
  AUTOTP_RETURN_IF_ERROR(AppendFrame(message, &waiting_));
  WriteWaiting();
  UpdateWatch();
  return absl::OkStatus();
}

void TrainerLink::PauseReading(bool paused) {
  if (paused_ == paused) return;
  paused_ = paused;
  UpdateWatch();
}

void TrainerLink::ReadRest() {
  while (!closed_ && ReadSome()) {
  }
  Deliver();
}

void TrainerLink::UpdateWatch() {
  const short events = static_cast<short>((paused_ ? 0 : POLLIN) |
                                          (waiting_.empty() ? 0 : POLLOUT));
  if (closed_ || events == 0) {
    loop_.Unwatch(socket_.get());
    return;
  }
  loop_.Watch(socket_.get(), events, [this](short got) { OnEvents(got); });
}

void TrainerLink::OnEvents(short events) {
  if ((events & POLLOUT) != 0) WriteWaiting();
  if (!paused_ && (events & (POLLIN | POLLHUP | POLLERR)) != 0) ReadSome();
  UpdateWatch();
  Deliver();  // last: it may change what is watched
}

void TrainerLink::WriteWaiting() {
  size_t written = 0;
  while (written < waiting_.size()) {
    const ssize_t sent =
        send(socket_.get(), waiting_.data() + written,
             waiting_.size() - written, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN) {
      waiting_.clear();  // the reader is gone; its exit will be told
      return;
    }
    if (sent < 0) break;
    written += static_cast<size_t>(sent);
  }
  waiting_.erase(0, written);
}

bool TrainerLink::ReadSome() {
  std::vector<char> chunk(kReadBytes);
  const ssize_t got =
      recv(socket_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (got > 0) {
    decoder_.Append({chunk.data(), static_cast<size_t>(got)});
    return true;
  }
  if (got == 0 || (errno != EAGAIN && errno != EINTR)) closed_ = true;
  return false;
}

void TrainerLink::Deliver() {
  while (true) {
    const auto frame = decoder_.Next();
    v1::FromTrainer message;
    if (!frame.ok() ||
        (frame->has_value() &&
         !message.ParseFromArray((*frame)->data(),
                                 static_cast<int>((*frame)->size())))) {
      spdlog::error("a trainer sends what is no frame of ours: {}",
                    frame.status().ToString());
      closed_ = true;
      UpdateWatch();
      return;
    }
    if (!frame->has_value()) return;
    on_message_(message);
  }
}

}  // namespace autotp::agent
