// run_settings.h -- checks of what a job says beside its DeepSpeed JSON.
#ifndef AUTOTP_COORDINATOR_PLANNER_RUN_SETTINGS_H_
#define AUTOTP_COORDINATOR_PLANNER_RUN_SETTINGS_H_

#include <cstdint>

#include "autotp/v1/job.pb.h"
#include "coordinator/config/diagnostics.h"

namespace autotp::planner {

// Steps, sequence length, policies, output folder, data file. Looks at the
// file system, writes nothing. `train_batch_size` is 0 where the config is
// invalid.
void CheckRunSettings(const v1::JobSpec& spec, int64_t train_batch_size,
                      config::Diagnostics* diagnostics);

// None where the user says nothing: DeepSpeed's activation_checkpointing
// section turns nothing on by itself.
v1::Recomputation RecomputationOf(const v1::RunSettings& run);

// SEQUENCE_LONGER_THAN_MODEL, a warning. `limit` 0: the model has none.
void CheckSequenceLimit(int64_t sequence_length, int64_t limit,
                        const std::string& config_file,
                        config::Diagnostics* diagnostics);

// Can a folder be made at `path`, or is it one that can be written to?
// Empty: yes; else why not. Only looks.
std::string WhyNotWritable(const std::string& path);

}  // namespace autotp::planner

#endif  // AUTOTP_COORDINATOR_PLANNER_RUN_SETTINGS_H_
