// effective_config.h -- the resolved configuration as a DeepSpeed JSON again,
// and where each of its values comes from.
#ifndef AUTOTP_COORDINATOR_CONFIG_EFFECTIVE_CONFIG_H_
#define AUTOTP_COORDINATOR_CONFIG_EFFECTIVE_CONFIG_H_

#include <string>
#include <vector>

#include "autotp/v1/job_service.pb.h"
#include "autotp/v1/training.pb.h"
#include "coordinator/config/json_document.h"
#include "coordinator/config/tensor_parallel_request.h"

namespace autotp::config {

struct EffectiveInput {
  const v1::TrainingConfig& training;
  const TensorParallelRequest& tensor_parallel;
  bool zero_allow_untested_optimizer = false;
};

// Two-space indented, keys in a fixed order; same input, same text.
std::string EffectiveConfigJson(const EffectiveInput& input);

// Every value of `effective_json`, in its order; lists are one value.
// `document`: what the user wrote. REQUIRES: `effective_json` is of
// EffectiveConfigJson.
std::vector<v1::ConfigValue> EffectiveValues(const JsonDocument& document,
                                             const std::string& effective_json);

}  // namespace autotp::config

#endif  // AUTOTP_COORDINATOR_CONFIG_EFFECTIVE_CONFIG_H_
