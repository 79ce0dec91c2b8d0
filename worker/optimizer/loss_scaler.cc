#include "worker/optimizer/loss_scaler.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace autotp::optimizer {
namespace {

constexpr double kFactor = 2.0;
constexpr double kLargest = 0x1p127;  // that fp32 holds

}  // namespace

LossScaler::LossScaler(const v1::LossScaling& config,
                       const v1::TrainingState& state)
    : config_(config) {
  const bool begins = state.loss_scale() == 0;
  scale_ = begins || !config.dynamic() ? config.initial() : state.loss_scale();
  good_steps_ = state.steps_since_overflow();
  hysteresis_left_ = begins ? config.hysteresis() : state.hysteresis_left();
}

absl::Status LossScaler::Update(bool overflow) {
  if (!config_.dynamic()) return absl::OkStatus();
  if (overflow) return Shrink();
  Grow();
  return absl::OkStatus();
}

absl::Status LossScaler::Shrink() {
  good_steps_ = 0;
  if (config_.hysteresis() > 1 && hysteresis_left_ > 1) {
    --hysteresis_left_;
    return absl::OkStatus();
  }
  if (scale_ == config_.minimum()) {
    return absl::OutOfRangeError(
        absl::StrCat("the gradient overflows at the smallest loss scale, ",
                     config_.minimum(),
                     ", which can't be lowered: lower the learning rate, or "
                     "train in bf16"));
  }
  scale_ = std::max(scale_ / kFactor, config_.minimum());
  return absl::OkStatus();
}

void LossScaler::Grow() {
  if (config_.consecutive_hysteresis()) hysteresis_left_ = config_.hysteresis();
  if (good_steps_ > 0 && good_steps_ % config_.window() == 0) {
    hysteresis_left_ = config_.hysteresis();
    scale_ = std::min(scale_ * kFactor, kLargest);
  }
  ++good_steps_;
}

void LossScaler::Save(v1::TrainingState& state) const {
  state.set_loss_scale(scale_);
  state.set_steps_since_overflow(good_steps_);
  state.set_hysteresis_left(hysteresis_left_);
}

}  // namespace autotp::optimizer
