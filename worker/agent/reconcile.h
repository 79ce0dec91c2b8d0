// reconcile.h -- what an agent must do so that what runs is what is desired.
//
// Flow: agent.cc calls Reconcile() on every assignment and every exit, and
// carries the actions out.
//
// An assignment is whole, never a delta: what it does not name must end. A
// trainer that has ended stays ended: only the coordinator starts a new
// attempt. A slot serves one trainer at a time, so that a task waits for the
// memory of the trainer before it.
//
// Pure: same inputs, same actions.
#ifndef AUTOTP_WORKER_AGENT_RECONCILE_H_
#define AUTOTP_WORKER_AGENT_RECONCILE_H_

#include <string>
#include <vector>

#include "autotp/v1/assignment.pb.h"
#include "worker/agent/attempt_key.h"

namespace autotp::agent {

// What was last said to a trainer about its job.
struct SentOrder {
  bool stop_after_step = false;
  int64_t checkpoint_request = 0;
};

struct TrainerView {
  AttemptKey attempt;
  int rank = 0;
  int slot = 0;
  bool live = false;    // its process may still hold the slot
  bool ending = false;  // told to end, not yet gone
  SentOrder sent;
};

struct EndTrainer {
  AttemptKey attempt;
  int rank = 0;
  std::string reason;
  bool ordered = false;  // the coordinator waits to hear of its end
};

struct ForwardOrder {
  AttemptKey attempt;
  int rank = 0;
  v1::JobOrder order;
};

struct WaitingTask {
  int task = 0;
  std::string reason;
};

struct Actions {
  std::vector<int> start;  // indices into the assignment's tasks
  std::vector<EndTrainer> end;
  std::vector<ForwardOrder> forward;
  std::vector<WaitingTask> waiting;
};

// `broken`: attempts with a dead rank here; none of their tasks is started.
Actions Reconcile(const v1::Assignment& desired,
                  const std::vector<TrainerView>& trainers,
                  const std::vector<AttemptKey>& broken, int num_slots);

}  // namespace autotp::agent

#endif  // AUTOTP_WORKER_AGENT_RECONCILE_H_
