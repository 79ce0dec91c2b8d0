#include "coordinator/engine/metrics_ring.h"

#include <algorithm>

namespace autotp::engine {

MetricsRing::Step MetricsRing::Compact(const v1::StepMetrics& step) {
  return {.step = step.step(),
          .loss = step.loss(),
          .grad_norm = step.grad_norm(),
          .learning_rate = step.learning_rate(),
          .tokens = step.tokens(),
          .seconds = step.step_seconds(),
          .loss_scale = step.loss_scale(),
          .evaluation_loss = step.evaluation().loss(),
          .evaluation_tokens =
              step.has_evaluation() ? step.evaluation().tokens() : -1,
          .skipped = step.skipped()};
}

v1::StepMetrics MetricsRing::Expand(const Step& step) {
  v1::StepMetrics out;
  out.set_step(step.step);
  out.set_loss(step.loss);
  out.set_grad_norm(step.grad_norm);
  out.set_learning_rate(step.learning_rate);
  out.set_tokens(step.tokens);
  out.set_step_seconds(step.seconds);
  out.set_loss_scale(step.loss_scale);
  out.set_skipped(step.skipped);
  if (step.evaluation_tokens >= 0) {
    out.mutable_evaluation()->set_loss(step.evaluation_loss);
    out.mutable_evaluation()->set_tokens(step.evaluation_tokens);
  }
  return out;
}

void MetricsRing::Append(int32_t attempt, const v1::StepMetrics& step) {
  if (attempt > attempt_) {
    attempt_ = attempt;
    while (!steps_.empty() && steps_.back().step >= step.step()) {
      steps_.pop_back();
    }
  }
  if (attempt < attempt_) return;
  if (!steps_.empty() && step.step() <= steps_.back().step) return;
  steps_.push_back(Compact(step));
  if (steps_.size() > steps_max_) steps_.pop_front();
}

MetricsRing::Run MetricsRing::Read(int64_t after_step, size_t limit) const {
  Run run;
  const int64_t after = std::max(after_step, first_step_);
  auto it = std::upper_bound(
      steps_.begin(), steps_.end(), after,
      [](int64_t value, const Step& step) { return value < step.step; });
  if (it == steps_.end()) return run;
  run.dropped = it->step - after - 1;
  int64_t expected = it->step;
  for (; it != steps_.end() && it->step == expected && run.steps.size() < limit;
       ++it, ++expected) {
    run.steps.push_back(Expand(*it));
  }
  return run;
}

}  // namespace autotp::engine
