// socket_host.h -- the agent's socket as the trainer's world.
//
// Flow: the loop and the checkpoint writer call; calls that need an answer
// carry an id, wait in a table, and are woken by the reader thread.
//
// A call waits a little longer than the agent tries, so that the agent's
// message, which says more, wins. When the socket ends every waiter gets
// UNAVAILABLE, and `on_agent_gone` runs on the reader thread.
//
// Threading: thread-safe. Ownership: the socket is closed by the destructor,
// which joins the reader.
#ifndef AUTOTP_WORKER_TRAINER_SOCKET_HOST_H_
#define AUTOTP_WORKER_TRAINER_SOCKET_HOST_H_

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "autotp/v1/trainer.pb.h"
#include "proto/support/socket_channel.h"
#include "worker/trainer/train.h"

namespace autotp::trainer {

struct SocketHostOptions {
  std::string job;  // orders for other jobs or attempts are not ours
  int attempt = 0;
  std::string data_address;
  int threads = 1;
  absl::Duration set_key_timeout = absl::Seconds(70);
  absl::Duration checkpoint_timeout = absl::Minutes(16);
  absl::Duration write_timeout = absl::Minutes(5);
  absl::Duration answer_slack = absl::Seconds(10);
  std::function<void()> on_agent_gone;
};

class SocketHost final : public TrainerHost {
 public:
  // `decoder`: what was already read from `control`.
  SocketHost(UniqueFd control, FrameDecoder decoder,
             std::map<std::string, UniqueFd> memory, SocketHostOptions options);
  ~SocketHost() override;

  collective::KeyStore& keys() override { return keys_; }
  int SharedMemory(const std::string& group_key) override;
  Wishes PollWishes() override;
  std::string DataAddress() const override { return options_.data_address; }
  int Threads() const override { return options_.threads; }
  void ReportReady(int64_t first_step) override;
  void ReportStep(const v1::StepMetrics& metrics) override;
  absl::StatusOr<v1::BeginCheckpointResponse> BeginCheckpoint(
      int64_t step) override;
  absl::StatusOr<v1::ReportPartResponse> ReportPart(
      const v1::ReportPartRequest& request) override;
  absl::Status CommitCheckpoint(
      const v1::CommitCheckpointRequest& request) override;

  // The trainer's last word; nothing may be reported after it.
  absl::Status ReportEnd(const v1::ReportTrainerRequest& state);

 private:
  class Keys final : public collective::KeyStore {
   public:
    explicit Keys(SocketHost& host) : host_(host) {}
    absl::Status Set(const std::string& key, const std::string& value) override;
    absl::StatusOr<std::string> Get(const std::string& key,
                                    absl::Duration timeout) override;

   private:
    SocketHost& host_;
  };
  // A call under way; owned by the caller's stack, guarded by mutex_.
  struct PendingCall {
    bool answered = false;
    absl::Status status;
    v1::ToTrainer reply;
  };

  absl::Status Send(const v1::FromTrainer& message);
  // Sends `message`, whose id is `id`, and waits for its reply.
  absl::StatusOr<v1::ToTrainer> Call(int64_t id, const v1::FromTrainer& message,
                                     absl::Duration timeout);
  absl::StatusOr<v1::CheckpointReply> CallCheckpoint(
      v1::CheckpointRequest request);
  int64_t NextId();
  void ReadLoop();
  void Answer(int64_t id, const absl::Status& status, v1::ToTrainer reply);
  void TakeOrder(const v1::JobOrder& order);

  const SocketHostOptions options_;
  const UniqueFd control_;
  const std::map<std::string, UniqueFd> memory_;
  Keys keys_{*this};
  FrameDecoder decoder_;  // reader thread only

  std::mutex write_mutex_;  // one frame at a time on the socket

  std::mutex mutex_;
  std::condition_variable answered_;
  int64_t last_id_ = 0;                      // guarded by mutex_
  std::map<int64_t, PendingCall*> pending_;  // guarded by mutex_
  Wishes wishes_;                            // guarded by mutex_
  bool closing_ = false;                     // guarded by mutex_
  bool gone_ = false;                        // guarded by mutex_

  std::thread reader_;  // last: starts when the rest is ready
};

}  // namespace autotp::trainer

#endif  // AUTOTP_WORKER_TRAINER_SOCKET_HOST_H_
