// update.h -- one optimizer step: which formula and numbers go for which
// parameters.
//
// Flow: step_loop.h -> Update(config, step, clipping) -> zero::FlatState asks
// For() each kind of parameter and runs the loops on its ranges.
//
// Pure.
#ifndef AUTOTP_WORKER_OPTIMIZER_UPDATE_H_
#define AUTOTP_WORKER_OPTIMIZER_UPDATE_H_

#include <cstdint>
#include <variant>

#include "autotp/v1/training.pb.h"
#include "worker/optimizer/adagrad.h"
#include "worker/optimizer/adam.h"
#include "worker/optimizer/lamb.h"
#include "worker/optimizer/lion.h"
#include "worker/optimizer/muon.h"
#include "worker/optimizer/sgd.h"

namespace autotp::optimizer {

using Step =
    std::variant<AdamStep, AdagradStep, LionStep, SgdStep, LambStep, MuonStep>;

// What a parameter's update depends on beside its numbers.
struct Treatment {
  bool undecayed = false;
  bool orthogonalized = false;  // by Muon
};

class Update {
 public:
  // `step` counts the updates that were made, this one included: skipped
  // steps don't. `gradient_factor` is ClipFactor's, times what else the
  // gradients are to be multiplied by.
  Update(const v1::TrainingConfig& config, int64_t step,
         double gradient_factor);

  Step For(const Treatment& treatment) const;
  // The rate of this step; Muon's own where there are two.
  double learning_rate() const { return learning_rate_; }
  int64_t step() const { return step_; }

 private:
  v1::OptimizerConfig config_;  // with this step's betas
  int64_t step_;
  double gradient_factor_;
  double learning_rate_;
  double adam_learning_rate_;  // of Muon's other parameters
};

// One of the steps that treat every element by itself. `states` as listed by
// OptimizerStates(). REQUIRES: neither Lamb's nor Muon's.
void UpdateElements(const Step& step, int64_t count, const float* gradients,
                    float* weights, float* const* states);

}  // namespace autotp::optimizer

#endif  // AUTOTP_WORKER_OPTIMIZER_UPDATE_H_
