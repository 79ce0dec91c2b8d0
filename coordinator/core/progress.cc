#include "coordinator/core/progress.h"

#include "coordinator/core/time_proto.h"

namespace autotp::core {

// Weight of the newest step in the smoothed step time.
constexpr double kNewest = 0.2;

void AddProgress(Change change, Job& job,
                 const v1::ReportProgressRequest& request) {
  v1::Progress& progress = *job.status().mutable_progress();
  for (const v1::StepMetrics& step : request.steps()) {
    if (step.step() <= progress.step()) continue;
    // Reports can be missing after a restart of ours; all steps are of one
    // size.
    const int64_t steps = step.step() - progress.step();
    progress.set_step(step.step());
    job.last_progress_time = change.now;
    progress.set_tokens(progress.tokens() + steps * step.tokens());
    progress.set_loss(step.loss());
    if (step.step_seconds() <= 0) continue;
    job.step_seconds =
        job.step_seconds == 0
            ? step.step_seconds()
            : (1 - kNewest) * job.step_seconds + kNewest * step.step_seconds();
    progress.set_tokens_per_second(static_cast<double>(step.tokens()) /
                                   job.step_seconds);
  }
  progress.set_total_steps(job.spec().run().max_steps());
  const double steps_left =
      static_cast<double>(progress.total_steps() - progress.step());
  *progress.mutable_remaining() =
      ToProtoDuration(absl::Seconds(steps_left * job.step_seconds));
  *progress.mutable_update_time() = ToTimestamp(change.now);
  change.effects.jobs.insert(job.name());
}

bool HasReachedTarget(const Job& job) {
  const double target = job.spec().run().target_loss();
  const v1::Progress& progress = job.status().progress();
  return target > 0 && progress.step() > 0 && progress.loss() <= target;
}

bool MayBeEvaluating(const Job& job) {
  const v1::RunSettings& run = job.spec().run();
  if (!run.has_evaluation()) return false;
  const int64_t step = job.status().progress().step() + 1;
  const int64_t every = run.evaluation().every_steps();
  return (every > 0 && step % every == 0) || step >= run.max_steps() ||
         run.target_loss() > 0;  // any step may be the last
}

}  // namespace autotp::core
