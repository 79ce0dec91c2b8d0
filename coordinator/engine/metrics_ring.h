// metrics_ring.h -- the newest finished steps of one job, in memory.
//
// Steps grow strictly. A new attempt repeats the steps after its checkpoint:
// what it reports replaces the old ones.
// Threading: engine thread only.
#ifndef AUTOTP_COORDINATOR_ENGINE_METRICS_RING_H_
#define AUTOTP_COORDINATOR_ENGINE_METRICS_RING_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "autotp/v1/job.pb.h"

namespace autotp::engine {

class MetricsRing {
 public:
  // `first_step`: the finished steps that the job began with.
  explicit MetricsRing(int64_t first_step = 0, size_t steps_max = 1'000'000)
      : first_step_(first_step), steps_max_(steps_max) {}

  void Append(int32_t attempt, const v1::StepMetrics& step);

  struct Run {
    int64_t dropped = 0;                 // steps missing before `steps`
    std::vector<v1::StepMetrics> steps;  // consecutive
  };
  // The next steps after `after_step`, up to a gap or `limit`.
  Run Read(int64_t after_step, size_t limit) const;

 private:
  // A message costs twice the memory.
  struct Step {
    int64_t step;
    double loss;
    double grad_norm;
    double learning_rate;
    int64_t tokens;
    double seconds;
    double loss_scale;
    double evaluation_loss;
    int64_t evaluation_tokens;  // -1: no evaluation
    bool skipped;
  };
  static Step Compact(const v1::StepMetrics& step);
  static v1::StepMetrics Expand(const Step& step);

  int64_t first_step_;
  size_t steps_max_;
  int32_t attempt_ = 0;
  std::deque<Step> steps_;
};

}  // namespace autotp::engine

#endif  // AUTOTP_COORDINATOR_ENGINE_METRICS_RING_H_
