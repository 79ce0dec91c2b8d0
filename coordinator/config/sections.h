// sections.h -- the readers of a DeepSpeed JSON's sections, one file each.
//
// Each reports what is wrong and returns values with defaults filled in, so
// that reading goes on after an error. Keys were checked before (key_check.h).
#ifndef AUTOTP_COORDINATOR_CONFIG_SECTIONS_H_
#define AUTOTP_COORDINATOR_CONFIG_SECTIONS_H_

#include <cstdint>

#include "autotp/v1/training.pb.h"
#include "coordinator/config/json_document.h"
#include "coordinator/config/tensor_parallel_request.h"

namespace autotp::config {

// The rate where no optimizer says one.
inline constexpr double kDefaultLearningRate = 1e-3;

// Without the section: AdamW at the default rate, and a note.
v1::OptimizerConfig ReadOptimizer(const JsonDocument& document,
                                  Diagnostics* diagnostics);

// What a schedule may take from the rest of the job.
struct ScheduleFacts {
  double learning_rate = kDefaultLearningRate;  // the optimizer's
  int64_t max_steps = 0;                        // 0: not known
  bool has_betas = true;   // the optimizer: what OneCycle may cycle
  bool two_rates = false;  // it has: Muon's and Adam's
};
// Without the section: constant.
v1::ScheduleConfig ReadSchedule(const JsonDocument& document,
                                const ScheduleFacts& facts,
                                Diagnostics* diagnostics);

// The types of weights, gradients and exchanges, loss scaling, and what
// happens to a step that is not finite.
void ReadPrecision(const JsonDocument& document, Diagnostics* diagnostics,
                   v1::TrainingConfig* training);

struct ZeroSettings {
  int stage = 0;
  int64_t reduce_bucket_elements = 500000000;
  int64_t allgather_bucket_elements = 500000000;
};
ZeroSettings ReadZero(const JsonDocument& document,
                      int64_t tensor_parallel_size, Diagnostics* diagnostics);

TensorParallelRequest ReadTensorParallel(const JsonDocument& document,
                                         Diagnostics* diagnostics);

}  // namespace autotp::config

#endif  // AUTOTP_COORDINATOR_CONFIG_SECTIONS_H_
