#include "worker/trainer/step_loop.h"

#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/support/status_macros.h"
#include "spdlog/spdlog.h"
#include "worker/data/feed.h"
#include "worker/data/sampler.h"
#include "worker/optimizer/adam.h"
#include "worker/optimizer/loss_scaler.h"
#include "worker/optimizer/update.h"
#include "worker/trainer/failure_reason.h"

namespace autotp::trainer {
namespace {

// What the ranks agree on in a step.
struct Agreement {
  double loss = 0;  // mean over the global batch
  double norm = 0;  // of the gradient without the loss's scale
  bool stop = false;
  int64_t checkpoint_request = 0;

  bool IsFinite() const { return std::isfinite(loss) && std::isfinite(norm); }
};

class StepLoop {
 public:
  StepLoop(const LoopParts& parts, Position position)
      : parts_(parts),
        task_(parts.task),
        config_(parts.task.config()),
        position_(position),
        data_size_(parts.groups.data->size()),
        served_request_(0) {
    sampler_ =
        data::SamplerOf(parts.dataset, task_.data().shuffle(), task_.seed());
    sampler_.train_batch_size = config_.train_batch_size();
    sampler_.micro_batch_size = config_.micro_batch_size();
    sampler_.data_parallel_size = data_size_;
    if (config_.has_loss_scaling()) {
      scaler_.emplace(config_.loss_scaling(), position_.state);
    } else {
      position_.state.clear_loss_scale();  // of an earlier attempt in fp16
    }
  }

  absl::StatusOr<TrainResult> Run() {
    AUTOTP_RETURN_IF_ERROR(
        WithReason(data::CheckSampler(sampler_), v1::FAILURE_REASON_DATA));
    feed_.emplace(parts_.dataset,
                  data::FeedOptions{sampler_, parts_.groups.data->rank(),
                                    config_.accumulation_steps(),
                                    position_.sequences_consumed,
                                    task_.max_steps() - position_.step});
    TrainResult result;
    bool done = position_.step >= task_.max_steps();
    while (!done && !result.stopped_early) {
      v1::StepMetrics metrics;
      AUTOTP_ASSIGN_OR_RETURN(const Agreement agreement, RunStep(metrics));
      if (!std::exchange(counted_, true)) result.measured.sent = Sent();
      done = IsDone(agreement);
      result.stopped_early = agreement.stop && !done;
      if (parts_.evaluation != nullptr &&
          (done || parts_.evaluation->IsDue(position_.step))) {
        AUTOTP_ASSIGN_OR_RETURN(
            *metrics.mutable_evaluation(),
            parts_.evaluation->Run(parts_.program, parts_.state,
                                   parts_.groups));
      }
      if (task_.rank() == 0) parts_.host.ReportStep(metrics);
      AUTOTP_RETURN_IF_ERROR(
          SaveIfWanted(agreement, done || result.stopped_early));
    }
    result.step = position_.step;
    return result;
  }

 private:
  bool IsDone(const Agreement& agreement) const {
    if (position_.step >= task_.max_steps()) return true;
    if (task_.target_loss() <= 0 || !(agreement.loss <= task_.target_loss()))
      return false;
    spdlog::info("step {}: loss {} has reached the target {}", position_.step,
                 agreement.loss, task_.target_loss());
    return true;
  }

  double scale() const { return scaler_.has_value() ? scaler_->scale() : 1; }

  absl::StatusOr<Agreement> RunStep(v1::StepMetrics& metrics) {
    const absl::Time start = absl::Now();
    const int64_t step = position_.step + 1;
    parts_.state.BeginStep();
    parts_.groups.traffic->Take(1);  // of what came between steps
    double loss = 0;
    for (int64_t micro = 0; micro < config_.accumulation_steps(); ++micro) {
      AUTOTP_ASSIGN_OR_RETURN(const float micro_loss, RunMicroStep(micro));
      loss += micro_loss;
    }
    AUTOTP_RETURN_IF_ERROR(parts_.state.ReduceGradients());
    AUTOTP_ASSIGN_OR_RETURN(
        const Agreement agreement,
        Agree(loss / static_cast<double>(config_.accumulation_steps())));
    metrics.set_step(step);
    metrics.set_loss(agreement.loss);
    metrics.set_grad_norm(agreement.norm);
    if (scaler_.has_value()) metrics.set_loss_scale(scaler_->scale());
    metrics.set_skipped(!agreement.IsFinite());
    AUTOTP_RETURN_IF_ERROR(UpdateOrSkip(agreement, metrics));

    const int64_t tokens = config_.train_batch_size() * task_.sequence_length();
    position_.step = step;
    position_.tokens += tokens;
    position_.sequences_consumed += config_.train_batch_size();
    metrics.set_tokens(tokens);
    metrics.set_step_seconds(absl::ToDoubleSeconds(absl::Now() - start));
    return agreement;
  }

  // A step that is skipped consumes its data, and holds the schedule.
  absl::Status UpdateOrSkip(const Agreement& agreement,
                            v1::StepMetrics& metrics) {
    const int64_t applied = position_.state.schedule_steps() + 1;
    const double clip =
        optimizer::ClipFactor(agreement.norm, config_.gradient_clipping());
    const optimizer::Update update(config_, applied, clip / scale());
    metrics.set_learning_rate(update.learning_rate());
    if (!metrics.skipped()) {
      AUTOTP_RETURN_IF_ERROR(parts_.state.Update(update));
      position_.state.set_schedule_steps(applied);
    } else if (!config_.skip_non_finite()) {
      return NotFinite(agreement, metrics.step());
    }
    return UpdateScale(metrics);
  }

  absl::Status UpdateScale(const v1::StepMetrics& metrics) {
    if (scaler_.has_value()) {
      AUTOTP_RETURN_IF_ERROR(
          WithReason(Annotate(scaler_->Update(metrics.skipped()),
                              absl::StrCat("step ", metrics.step())),
                     v1::FAILURE_REASON_NUMERIC));
      scaler_->Save(position_.state);
    }
    if (metrics.skipped() && task_.rank() == 0) {
      spdlog::warn(
          "step {} is skipped: loss {}, gradient norm {}, loss scale {}, then "
          "{}",
          metrics.step(), metrics.loss(), metrics.grad_norm(),
          metrics.loss_scale(), scale());
    }
    return absl::OkStatus();
  }

  // Of the step that has just ended.
  std::vector<v1::CollectivePlan> Sent() const {
    std::vector<v1::CollectivePlan> sent =
        parts_.groups.traffic->Take(config_.accumulation_steps());
    spdlog::info("sent in a step: {}", collective::TrafficText(sent));
    return sent;
  }

  absl::StatusOr<float> RunMicroStep(int64_t micro) {
    absl::StatusOr<data::Batch> batch = feed_->Next();
    if (!batch.ok()) return WithReason(batch.status(), v1::FAILURE_REASON_DATA);
    runtime::RunOptions options;
    options.gradient_factor =
        scale() /
        static_cast<double>(config_.accumulation_steps() * data_size_);
    options.seed = task_.seed();
    options.first_sequence =
        data::FirstPosition(sampler_, position_.sequences_consumed, micro,
                            parts_.groups.data->rank());
    parts_.state.BeginMicroStep();
    parts_.groups.traffic->Enter(collective::Traffic::Phase::kForward);
    const std::vector<const int64_t*> inputs =
        batch->Inputs(task_.program().inputs_size());
    AUTOTP_ASSIGN_OR_RETURN(const float loss,
                            parts_.program.Run(inputs, options, parts_.state));
    parts_.groups.traffic->Enter(collective::Traffic::Phase::kStep);
    AUTOTP_RETURN_IF_ERROR(parts_.state.FinishMicroStep());
    return loss;
  }

  absl::StatusOr<Agreement> Agree(double loss) {
    const Wishes wishes = parts_.host.PollWishes();
    double sums[] = {loss, parts_.state.SquaredNorm()};
    double most[] = {wishes.stop_after_step ? 1.0 : 0.0,
                     static_cast<double>(wishes.checkpoint_request)};
    collective::Communicator& world = *parts_.groups.world;
    AUTOTP_RETURN_IF_ERROR(
        Annotate(world
                     .AllReduce({sums, 2, collective::ElementType::kFloat64},
                                collective::Reduction::kSum)
                     ->Wait(),
                 "sum of losses"));
    AUTOTP_RETURN_IF_ERROR(
        Annotate(world
                     .AllReduce({most, 2, collective::ElementType::kFloat64},
                                collective::Reduction::kMax)
                     ->Wait(),
                 "exchange of wishes"));
    Agreement agreement;
    agreement.loss = sums[0] / world.size();
    agreement.norm = std::sqrt(sums[1]) / scale();
    agreement.stop = most[0] > 0;
    agreement.checkpoint_request = static_cast<int64_t>(most[1]);
    return agreement;
  }

  static absl::Status NotFinite(const Agreement& agreement, int64_t step) {
    return WithReason(
        absl::OutOfRangeError(absl::StrCat(
            "step ", step, ": loss ", agreement.loss, ", gradient norm ",
            agreement.norm,
            ": no longer finite; lower the learning rate, lengthen the "
            "warm-up, or look at the data of this step")),
        v1::FAILURE_REASON_NUMERIC);
  }

  absl::Status SaveIfWanted(const Agreement& agreement, bool last) {
    AUTOTP_RETURN_IF_ERROR(parts_.checkpointer.Poll());
    const int64_t every = task_.checkpoint_every_steps();
    const bool asked = agreement.checkpoint_request > served_request_;
    const bool due = every > 0 && position_.step % every == 0;
    served_request_ = agreement.checkpoint_request;
    if (!last && !asked && !due) return absl::OkStatus();
    return parts_.checkpointer.Save(
        position_,
        last ? Checkpointer::Source::kLive : Checkpointer::Source::kCopy);
  }

  const LoopParts& parts_;
  const v1::TrainerTask& task_;
  const v1::TrainingConfig& config_;
  Position position_;
  const int data_size_;
  data::SamplerOptions sampler_;
  std::optional<optimizer::LossScaler> scaler_;
  std::optional<data::BatchFeed> feed_;
  int64_t served_request_;
  bool counted_ = false;  // what a step sends
};

}  // namespace

absl::StatusOr<TrainResult> RunSteps(const LoopParts& parts,
                                     Position position) {
  return StepLoop(parts, position).Run();
}

}  // namespace autotp::trainer
