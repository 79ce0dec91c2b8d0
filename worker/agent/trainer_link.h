// trainer_link.h -- the agent's end of one trainer's socket.
//
// Flow: agent.cc sends (never blocks; what the socket does not take waits
// here) and gets every message of the trainer, in order, on the loop.
//
// Threading: loop thread only.
#ifndef AUTOTP_WORKER_AGENT_TRAINER_LINK_H_
#define AUTOTP_WORKER_AGENT_TRAINER_LINK_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "autotp/v1/trainer.pb.h"
#include "proto/support/socket_channel.h"
#include "worker/agent/event_loop.h"

namespace autotp::agent {

class TrainerLink {
 public:
  // Messages a trainer has not taken; beyond it the trainer is stuck.
  static constexpr size_t kWaitingBytesMax = size_t{512} << 20;

  TrainerLink(EventLoop& loop, UniqueFd socket,
              std::function<void(const v1::FromTrainer&)> on_message);
  ~TrainerLink();

  //   RESOURCE_EXHAUSTED  the trainer does not read
  absl::Status Send(const v1::ToTrainer& message);
  // Stops or goes on reading; a stopped trainer blocks once its socket is full.
  void PauseReading(bool paused);
  // Takes what the trainer said before its end, paused or not.
  void ReadRest();
  // No end of the socket is an error: the zygote reports the exit.
  bool closed() const { return closed_; }

 private:
  void UpdateWatch();
  void OnEvents(short events);
  void WriteWaiting();
  bool ReadSome();  // false: nothing is there
  void Deliver();

  EventLoop& loop_;
  UniqueFd socket_;
  const std::function<void(const v1::FromTrainer&)> on_message_;
  FrameDecoder decoder_;
  std::string waiting_;  // bytes to write
  bool paused_ = false;
  bool closed_ = false;
};

}  // namespace autotp::agent

#endif  // AUTOTP_WORKER_AGENT_TRAINER_LINK_H_
