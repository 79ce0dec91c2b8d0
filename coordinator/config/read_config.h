// read_config.h -- the user's DeepSpeed JSON, resolved.
//
// Flow: planner/ -> ReadConfig(): text -> document with positions -> keys
// checked along the key table -> sections read, one file each -> the batch
// triangle closed. Pure; any thread.
#ifndef AUTOTP_COORDINATOR_CONFIG_READ_CONFIG_H_
#define AUTOTP_COORDINATOR_CONFIG_READ_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "autotp/v1/job_service.pb.h"
#include "autotp/v1/training.pb.h"
#include "coordinator/config/diagnostics.h"
#include "coordinator/config/tensor_parallel_request.h"

namespace autotp::config {

struct ConfigResult {
  // Present only if no diagnostic of this reading is an error.
  std::optional<v1::TrainingConfig> training;
  TensorParallelRequest tensor_parallel;
  // 0 where world_size is not a multiple of the tensor-parallel size.
  int64_t data_parallel_size = 0;
  // A DeepSpeed JSON with every default filled in, that reads as the same
  // configuration; empty if there were errors.
  std::string effective_json;
  std::vector<v1::ConfigValue> effective_values;  // with their origins
};

// What a config may take from the rest of the job.
struct JobFacts {
  int64_t world_size = 1;  // ranks
  int64_t max_steps = 0;   // 0: not known, as in a dry run
};

// `file_name`: for diagnostics.
ConfigResult ReadConfig(std::string text, const std::string& file_name,
                        const JobFacts& job, Diagnostics* diagnostics);

}  // namespace autotp::config

#endif  // AUTOTP_COORDINATOR_CONFIG_READ_CONFIG_H_
