#include "worker/trainer/socket_host.h"

#include <sys/socket.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/support/status_macros.h"
#include "spdlog/spdlog.h"

namespace autotp::trainer {
namespace {

template <typename Reply>
absl::Status StatusOf(const Reply& reply) {
  return absl::Status(static_cast<absl::StatusCode>(reply.code()),
                      reply.message());
}

}  // namespace

SocketHost::SocketHost(UniqueFd control, FrameDecoder decoder,
                       std::map<std::string, UniqueFd> memory,
                       SocketHostOptions options)
    : options_(std::move(options)),
      control_(std::move(control)),
      memory_(std::move(memory)),
      decoder_(std::move(decoder)),
      reader_([this] { ReadLoop(); }) {}

SocketHost::~SocketHost() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
  }
  shutdown(control_.get(), SHUT_RD);  // wakes the reader
  reader_.join();
}

int SocketHost::SharedMemory(const std::string& group_key) {
  const auto found = memory_.find(group_key);
  return found == memory_.end() ? -1 : found->second.get();
}

Wishes SocketHost::PollWishes() {
  std::lock_guard lock(mutex_);
  return wishes_;
}

void SocketHost::ReportReady(int64_t first_step) {
  v1::FromTrainer message;
  message.mutable_state()->set_state(v1::ReportTrainerRequest::STATE_READY);
  message.mutable_state()->set_step(first_step);
  const absl::Status sent = Send(message);
  if (!sent.ok()) spdlog::error("ready was not reported: {}", sent.ToString());
}

void SocketHost::ReportStep(const v1::StepMetrics& metrics) {
  v1::FromTrainer message;
  *message.mutable_step() = metrics;
  const absl::Status sent = Send(message);
  if (!sent.ok()) {
    spdlog::error("step {} was not reported: {}", metrics.step(),
                  sent.ToString());
  }
}

absl::StatusOr<v1::BeginCheckpointResponse> SocketHost::BeginCheckpoint(
    int64_t step) {
  v1::CheckpointRequest request;
  request.mutable_begin()->set_step(step);
  AUTOTP_ASSIGN_OR_RETURN(v1::CheckpointReply reply,
                          CallCheckpoint(std::move(request)));
  return std::move(*reply.mutable_begin());
}

absl::StatusOr<v1::ReportPartResponse> SocketHost::ReportPart(
    const v1::ReportPartRequest& part) {
  v1::CheckpointRequest request;
  *request.mutable_part() = part;
  AUTOTP_ASSIGN_OR_RETURN(v1::CheckpointReply reply,
                          CallCheckpoint(std::move(request)));
  return std::move(*reply.mutable_part());
}

absl::Status SocketHost::CommitCheckpoint(
    const v1::CommitCheckpointRequest& commit) {
  v1::CheckpointRequest request;
  *request.mutable_commit() = commit;
  return CallCheckpoint(std::move(request)).status();
}

absl::Status SocketHost::ReportEnd(const v1::ReportTrainerRequest& state) {
  v1::FromTrainer message;
  *message.mutable_state() = state;
  return Send(message);
}

absl::Status SocketHost::Keys::Set(const std::string& key,
                                   const std::string& value) {
  const int64_t id = host_.NextId();
  v1::FromTrainer message;
  v1::KeyRequest* request = message.mutable_key_request();
  request->set_id(id);
  request->set_key(key);
  request->set_set(true);
  request->set_value(value);
  AUTOTP_ASSIGN_OR_RETURN(
      const v1::ToTrainer reply,
      host_.Call(id, message, host_.options_.set_key_timeout));
  return StatusOf(reply.key_reply());
}

absl::StatusOr<std::string> SocketHost::Keys::Get(const std::string& key,
                                                  absl::Duration timeout) {
  const int64_t id = host_.NextId();
  v1::FromTrainer message;
  v1::KeyRequest* request = message.mutable_key_request();
  request->set_id(id);
  request->set_key(key);
  request->set_wait_milliseconds(absl::ToInt64Milliseconds(timeout));
  AUTOTP_ASSIGN_OR_RETURN(
      v1::ToTrainer reply,
      host_.Call(id, message, timeout + host_.options_.answer_slack));
  AUTOTP_RETURN_IF_ERROR(StatusOf(reply.key_reply()));
  return std::move(*reply.mutable_key_reply()->mutable_value());
}

absl::Status SocketHost::Send(const v1::FromTrainer& message) {
  std::lock_guard lock(write_mutex_);
  return WriteFrame(control_.get(), message,
                    absl::Now() + options_.write_timeout);
}

absl::StatusOr<v1::ToTrainer> SocketHost::Call(int64_t id,
                                               const v1::FromTrainer& message,
                                               absl::Duration timeout) {
  PendingCall call;
  {
    std::lock_guard lock(mutex_);
    if (gone_) return absl::UnavailableError("the worker's agent is gone");
    pending_[id] = &call;
  }
  const absl::Status sent = Send(message);
  std::unique_lock lock(mutex_);
  if (sent.ok()) {
    answered_.wait_for(lock, absl::ToChronoNanoseconds(timeout),
                       [&call] { return call.answered; });
  }
  pending_.erase(id);
  AUTOTP_RETURN_IF_ERROR(sent);
  if (!call.answered) {
    return absl::DeadlineExceededError(
        absl::StrCat("the worker's agent gave no answer in ",
                     absl::FormatDuration(timeout)));
  }
  AUTOTP_RETURN_IF_ERROR(call.status);
  return std::move(call.reply);
}

absl::StatusOr<v1::CheckpointReply> SocketHost::CallCheckpoint(
    v1::CheckpointRequest request) {
  const int64_t id = NextId();
  request.set_id(id);
  v1::FromTrainer message;
  *message.mutable_checkpoint_request() = std::move(request);
  AUTOTP_ASSIGN_OR_RETURN(v1::ToTrainer reply,
                          Call(id, message, options_.checkpoint_timeout));
  AUTOTP_RETURN_IF_ERROR(StatusOf(reply.checkpoint_reply()));
  return std::move(*reply.mutable_checkpoint_reply());
}

int64_t SocketHost::NextId() {
  std::lock_guard lock(mutex_);
  return ++last_id_;
}

void SocketHost::ReadLoop() {
  absl::Status status;
  while (true) {
    v1::ToTrainer message;
    status =
        ReadFrame(control_.get(), decoder_, &message, absl::InfiniteFuture());
    if (!status.ok()) break;
    if (message.has_key_reply()) {
      const int64_t id = message.key_reply().id();
      Answer(id, absl::OkStatus(), std::move(message));
    } else if (message.has_checkpoint_reply()) {
      const int64_t id = message.checkpoint_reply().id();
      Answer(id, absl::OkStatus(), std::move(message));
    } else if (message.has_order()) {
      TakeOrder(message.order());
    }
  }
  bool closing;
  {
    std::lock_guard lock(mutex_);
    gone_ = true;
    closing = closing_;
    for (auto& [id, call] : pending_) {
      call->answered = true;
      call->status = absl::UnavailableError(
          absl::StrCat("the worker's agent is gone: ", status.message()));
    }
  }
  answered_.notify_all();
  if (!closing && options_.on_agent_gone) options_.on_agent_gone();
}

void SocketHost::Answer(int64_t id, const absl::Status& status,
                        v1::ToTrainer reply) {
  {
    std::lock_guard lock(mutex_);
    const auto found = pending_.find(id);
    if (found == pending_.end()) return;  // its caller has given up
    found->second->answered = true;
    found->second->status = status;
    found->second->reply = std::move(reply);
  }
  answered_.notify_all();
}

void SocketHost::TakeOrder(const v1::JobOrder& order) {
  if (order.job() != options_.job || order.attempt() != options_.attempt) {
    return;
  }
  std::lock_guard lock(mutex_);
  wishes_.stop_after_step = wishes_.stop_after_step || order.stop_after_step();
  wishes_.checkpoint_request =
      std::max(wishes_.checkpoint_request, order.checkpoint_request());
}

}  // namespace autotp::trainer
