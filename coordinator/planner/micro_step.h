// micro_step.h -- the memory of a micro-step under way, for
// activation_memory.h: which tensors there are, and who holds them.
//
// Nodes are run by the schedule that the worker follows too
// (proto/support/node_schedule.h). What each operation makes and keeps is in
// operation_forward.cc, what its gradient needs in operation_backward.cc.
#ifndef AUTOTP_COORDINATOR_PLANNER_MICRO_STEP_H_
#define AUTOTP_COORDINATOR_PLANNER_MICRO_STEP_H_

#include <cstdint>
#include <vector>

#include "coordinator/planner/held.h"
#include "coordinator/program/program.h"
#include "proto/support/node_schedule.h"

namespace autotp::planner {

// Recomputation's own work.
struct WorkAgain {
  double flops = 0;
  int64_t bytes = 0;  // of values read and written
};

// Contexts of worker/runtime/operation.h, without the numbers.
class MicroStep {
 public:
  MicroStep(const program::Program& local, int64_t compute_bytes);

  // Forward of every node, then backward; returns the peak.
  int64_t Run();

  // Of what the backward does a second time.
  WorkAgain Again() const;

 private:
  using Node = program::Node;

  int64_t Elements(program::ValueId v) const;
  bool IsNarrow(program::ValueId v) const;  // stored in two bytes
  Held Make(int64_t bytes) { return std::make_shared<Memory>(&meter_, bytes); }
  Held MakeFloat(program::ValueId v) { return Make(4 * Elements(v)); }
  Held Widened(Held held, program::ValueId v);   // as fp32
  Held Narrowed(Held held, program::ValueId v);  // as it is stored
  static bool IsOwned(const Held& held) { return held.use_count() == 1; }

  int64_t StoredBytes(program::ValueId v) const;
  // Of a gather or reduce-scatter: do the parts lie in the whole as they
  // travel?
  bool IsFlat(const Node& node, program::ValueId whole) const;
  Held Gathered(const Node& node, program::ValueId part,
                program::ValueId whole);
  Held Scattered(const Node& node, program::ValueId whole,
                 program::ValueId part);

  runtime::Schedule MakeSchedule() const;
  // Does its operation keep anything for its backward?
  static bool Keeps(const Node& node);
  void Forward(const runtime::Pass& pass);
  bool Wants(size_t output) const {
    return pass_->unwanted.empty() || !pass_->unwanted[output];
  }
  void ForwardKeeping(const Node& node, std::vector<Held>* kept);
  Held FloatInput(const Node& node, size_t i);
  Held TakeInput(const Node& node, size_t i);
  Held OwnInput(const Node& node, size_t i);  // to write over
  void Give(const Node& node, size_t i, Held made);

  void Backward(int n);
  void BackwardDense(const Node& node, std::vector<Held> kept);
  bool Needs(const Node& node, size_t i) const;
  Held TakeGradient(const Node& node);
  Held FloatGradient(const Node& node);
  void AddGradient(program::ValueId v, Held gradient);
  void AddToInput(const Node& node, size_t i, Held gradient);
  // Makes room for the gradient, or takes what is there, and delivers it.
  void WriteGradient(const Node& node, size_t i);

  const program::Program& local_;
  const int64_t compute_bytes_;
  Meter meter_;
  runtime::Schedule schedule_;
  const runtime::Pass* pass_ = nullptr;  // under way
  std::vector<bool> is_parameter_;
  std::vector<bool> needs_gradient_;
  std::vector<bool> runs_backward_;      // [node]
  std::vector<Held> tensors_;            // [value]
  std::vector<Held> gradients_;          // [value]; null: not reached yet
  std::vector<std::vector<Held>> kept_;  // [node]
};

}  // namespace autotp::planner

#endif  // AUTOTP_COORDINATOR_PLANNER_MICRO_STEP_H_
