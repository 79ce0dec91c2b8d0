#include "worker/optimizer/update.h"

#include <optional>

#include "proto/support/check.h"
#include "worker/optimizer/schedule.h"

namespace autotp::optimizer {

Update::Update(const v1::TrainingConfig& config, int64_t step,
               double gradient_factor)
    : config_(config.optimizer()),
      step_(step),
      gradient_factor_(gradient_factor),
      learning_rate_(
          LearningRate(config.schedule(), config_.learning_rate(), step)),
      adam_learning_rate_(
          LearningRate(config.schedule(), config_.adam_learning_rate(), step)) {
  if (const std::optional<Betas> betas = CycledBetas(config.schedule(), step)) {
    config_.set_beta1(betas->beta1);
    config_.set_beta2(betas->beta2);
  }
}

Step Update::For(const Treatment& treatment) const {
  v1::OptimizerConfig config = config_;
  if (treatment.undecayed) config.set_weight_decay(0);
  switch (config.kind()) {
    case v1::OptimizerConfig::KIND_ADAGRAD:
      return MakeAdagradStep(config, step_, learning_rate_, gradient_factor_);
    case v1::OptimizerConfig::KIND_LAMB:
      return MakeLambStep(config, step_, learning_rate_, gradient_factor_);
    case v1::OptimizerConfig::KIND_LION:
      return MakeLionStep(config, learning_rate_, gradient_factor_);
    case v1::OptimizerConfig::KIND_SGD:
      return MakeSgdStep(config, step_, learning_rate_, gradient_factor_);
    case v1::OptimizerConfig::KIND_MUON:
      if (treatment.orthogonalized)
        return MakeMuonStep(config, learning_rate_, gradient_factor_);
      return MakeAdamStep(config, step_, adam_learning_rate_, gradient_factor_);
    default:
      return MakeAdamStep(config, step_, learning_rate_, gradient_factor_);
  }
}

void UpdateElements(const Step& step, int64_t count, const float* gradients,
                    float* weights, float* const* states) {
  if (const auto* adam = std::get_if<AdamStep>(&step)) {
    UpdateAdam(*adam, count, gradients, weights, states[0], states[1]);
  } else if (const auto* adagrad = std::get_if<AdagradStep>(&step)) {
    UpdateAdagrad(*adagrad, count, gradients, weights, states[0]);
  } else if (const auto* lion = std::get_if<LionStep>(&step)) {
    UpdateLion(*lion, count, gradients, weights, states[0]);
  } else if (const auto* sgd = std::get_if<SgdStep>(&step)) {
    UpdateSgd(*sgd, count, gradients, weights, states[0]);
  } else {
    AUTOTP_CHECK(false, "this optimizer's elements are not independent");
  }
}

}  // namespace autotp::optimizer
