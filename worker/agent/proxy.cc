#include "worker/agent/proxy.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace autotp::agent {
namespace {

// Longer than the coordinator's own wait, so that its answer comes first.
constexpr absl::Duration kWaitSlack = absl::Seconds(5);

v1::ToTrainer KeyAnswer(int64_t id, const absl::Status& status) {
  v1::ToTrainer message;
  v1::KeyReply* reply = message.mutable_key_reply();
  reply->set_id(id);
  reply->set_code(static_cast<int>(status.code()));
  reply->set_message(std::string(status.message()));
  return message;
}

v1::ToTrainer CheckpointAnswer(int64_t id, const absl::Status& status) {
  v1::ToTrainer message;
  v1::CheckpointReply* reply = message.mutable_checkpoint_reply();
  reply->set_id(id);
  reply->set_code(static_cast<int>(status.code()));
  reply->set_message(std::string(status.message()));
  return message;
}

// One ReportPart after another until the checkpoint's parts are complete.
struct PartPoll : std::enable_shared_from_this<PartPoll> {
  Session* session;
  AttemptKey attempt;
  int64_t id = 0;
  bool until_complete = false;
  v1::ReportPartRequest request;
  CallOptions options;
  Reply reply;
  Backoff backoff;

  void Try() {
    session->Call(
        session->client().worker(), &WorkerCalls::ReportPart, attempt, request,
        options,
        std::function<void(absl::StatusOr<v1::ReportPartResponse>)>(
            [self = shared_from_this()](
                const absl::StatusOr<v1::ReportPartResponse>& answer) {
              self->OnAnswer(answer);
            }));
  }

  void OnAnswer(const absl::StatusOr<v1::ReportPartResponse>& answer) {
    if (answer.ok() && until_complete && !answer->complete()) {
      if (absl::Now() < options.deadline) {
        session->loop().RunAt(absl::Now() + backoff.Next(),
                              [self = shared_from_this()] { self->Try(); });
        return;
      }
      reply(CheckpointAnswer(
          id, absl::DeadlineExceededError(absl::StrCat(
                  request.checkpoint(),
                  ": not every rank has reported its part in time"))));
      return;
    }
    v1::ToTrainer message = CheckpointAnswer(id, answer.status());
    if (answer.ok()) {
      *message.mutable_checkpoint_reply()->mutable_part() = *answer;
    }
    reply(message);
  }
};

}  // namespace

void ServeKey(Session& session, const AttemptKey& attempt,
              const v1::KeyRequest& request, const ProxyOptions& options,
              std::weak_ptr<const void> owner, Reply reply) {
  CallOptions call{.owner = std::move(owner)};
  RendezvousCalls* stub = session.client().rendezvous();
  const int64_t id = request.id();
  if (request.set()) {
    call.deadline = absl::Now() + options.set_key_timeout;
    v1::SetKeyRequest set;
    set.set_key(request.key());
    set.set_value(request.value());
    session.Call(stub, &RendezvousCalls::SetKey, attempt, std::move(set), call,
                 std::function<void(absl::StatusOr<v1::SetKeyResponse>)>(
                     [id, reply](const auto& answer) {
                       reply(KeyAnswer(id, answer.status()));
                     }));
    return;
  }
  const int64_t wait = request.wait_milliseconds();
  call.deadline = absl::Now() + absl::Milliseconds(wait);
  call.try_timeout = absl::Milliseconds(wait) + kWaitSlack;
  v1::GetKeyRequest get;
  get.set_key(request.key());
  get.mutable_wait()->set_seconds(wait / 1000);
  get.mutable_wait()->set_nanos(static_cast<int>(wait % 1000) * 1'000'000);
  session.Call(stub, &RendezvousCalls::GetKey, attempt, std::move(get), call,
               std::function<void(absl::StatusOr<v1::GetKeyResponse>)>(
                   [id, reply](const auto& answer) {
                     v1::ToTrainer message = KeyAnswer(id, answer.status());
                     if (answer.ok()) {
                       message.mutable_key_reply()->set_value(answer->value());
                     }
                     reply(message);
                   }));
}

void ServeCheckpoint(Session& session, const AttemptKey& attempt, int rank,
                     const v1::CheckpointRequest& request,
                     const ProxyOptions& options,
                     std::weak_ptr<const void> owner, Reply reply) {
  const CallOptions call{.deadline = absl::Now() + options.checkpoint_timeout,
                         .owner = std::move(owner)};
  WorkerCalls* stub = session.client().worker();
  const int64_t id = request.id();
  if (request.has_begin()) {
    session.Call(
        stub, &WorkerCalls::BeginCheckpoint, attempt, request.begin(), call,
        std::function<void(absl::StatusOr<v1::BeginCheckpointResponse>)>(
            [id, reply](const auto& answer) {
              v1::ToTrainer message = CheckpointAnswer(id, answer.status());
              if (answer.ok()) {
                *message.mutable_checkpoint_reply()->mutable_begin() = *answer;
              }
              reply(message);
            }));
  } else if (request.has_commit()) {
    session.Call(
        stub, &WorkerCalls::CommitCheckpoint, attempt, request.commit(), call,
        std::function<void(absl::StatusOr<v1::CommitCheckpointResponse>)>(
            [id, reply](const auto& answer) {
              reply(CheckpointAnswer(id, answer.status()));
            }));
  } else if (request.has_part()) {
    auto poll = std::make_shared<PartPoll>();
    poll->session = &session;
    poll->attempt = attempt;
    poll->id = id;
    poll->until_complete = rank == 0;
    poll->request = request.part();
    poll->request.set_rank(rank);
    poll->options = call;
    poll->reply = std::move(reply);
    poll->backoff =
        Backoff(options.poll_interval_min, options.poll_interval_max);
    poll->Try();
  } else {
    reply(CheckpointAnswer(
        id, absl::InvalidArgumentError("a checkpoint request without a call")));
  }
}

}  // namespace autotp::agent
