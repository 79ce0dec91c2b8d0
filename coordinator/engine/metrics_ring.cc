#include "coordinator/engine/metrics_ring.h"

#include <algorithm>

namespace autotp::engine {

void MetricsRing::Append(int32_t attempt, const v1::StepMetrics& step) {
  if (attempt > attempt_) {
    attempt_ = attempt;
    while (!steps_.empty() && steps_.back().step >= step.step()) {
      steps_.pop_back();
    }
  }
  if (attempt < attempt_) return;
  if (!steps_.empty() && step.step() <= steps_.back().step) return;
  steps_.push_back({step.step(), step.loss(), step.grad_norm(),
                    step.learning_rate(), step.tokens(), step.step_seconds()});
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
    v1::StepMetrics& out = run.steps.emplace_back();
    out.set_step(it->step);
    out.set_loss(it->loss);
    out.set_grad_norm(it->grad_norm);
    out.set_learning_rate(it->learning_rate);
    out.set_tokens(it->tokens);
    out.set_step_seconds(it->seconds);
  }
  return run;
}

}  // namespace autotp::engine
