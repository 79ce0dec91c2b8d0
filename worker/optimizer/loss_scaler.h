// loss_scaler.h -- what the loss is multiplied by before the backward, so that
// small fp16 gradients don't vanish.
//
// Flow: step_loop.cc scales by scale() -> Update(overflow) after every step,
// whether it was taken or skipped.
//
// As DeepSpeed's dynamic scaler, with hysteresis h and window w:
//   overflow  if only one of the h overflows that may be borne is left, the
//             scale is halved, but not below the minimum (an overflow there
//             is an error); else one is used up
//   else      if n, the good steps since the last overflow, is a positive
//             multiple of w, the scale is doubled and h restored; with
//             consecutive hysteresis every good step restores h
// So the first doubling comes with good step w + 1. A fixed scale stays.
//
// Pure; the same on every rank, since all see the same overflows.
#ifndef AUTOTP_WORKER_OPTIMIZER_LOSS_SCALER_H_
#define AUTOTP_WORKER_OPTIMIZER_LOSS_SCALER_H_

#include "absl/status/status.h"
#include "autotp/v1/checkpoint.pb.h"
#include "autotp/v1/training.pb.h"

namespace autotp::optimizer {

class LossScaler {
 public:
  // `state`: as Save() left it; where its scale is 0, training begins.
  LossScaler(const v1::LossScaling& config, const v1::TrainingState& state);

  double scale() const { return scale_; }
  // OUT_OF_RANGE: an overflow at the minimum.
  absl::Status Update(bool overflow);
  void Save(v1::TrainingState& state) const;

 private:
  absl::Status Shrink();
  void Grow();

  const v1::LossScaling config_;
  double scale_;
  int64_t good_steps_;  // since the last overflow
  int32_t hysteresis_left_;
};

}  // namespace autotp::optimizer

#endif  // AUTOTP_WORKER_OPTIMIZER_LOSS_SCALER_H_
