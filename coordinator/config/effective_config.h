// effective_config.h -- the resolved configuration as a DeepSpeed JSON again.
#ifndef AUTOTP_COORDINATOR_CONFIG_EFFECTIVE_CONFIG_H_
#define AUTOTP_COORDINATOR_CONFIG_EFFECTIVE_CONFIG_H_

#include <string>

#include "autotp/v1/training.pb.h"
#include "coordinator/config/tensor_parallel_request.h"

namespace autotp::config {

// Two-space indented, keys in a fixed order; same input, same text.
std::string EffectiveConfigJson(const v1::TrainingConfig& training,
                                const TensorParallelRequest& tensor_parallel);

}  // namespace autotp::config

#endif  // AUTOTP_COORDINATOR_CONFIG_EFFECTIVE_CONFIG_H_
