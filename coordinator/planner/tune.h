// tune.h -- which layout of a job is fastest: every tensor-parallel size, ZeRO
// stage, micro-batch and recomputation that a world and a batch allow, ranked
// by cost_model.h and held against a memory limit.
//
// The job's function stays as it is: train_batch_size, precision and rules are
// the user's. Pure, but for what `measure` does.
#ifndef AUTOTP_COORDINATOR_PLANNER_TUNE_H_
#define AUTOTP_COORDINATOR_PLANNER_TUNE_H_

#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
#include "autotp/v1/common.pb.h"
#include "autotp/v1/tune.pb.h"
#include "coordinator/planner/cost_model.h"

namespace autotp::planner {

struct TuneJob {
  int world_size = 1;
  int64_t train_batch_size = 1;
  int64_t sequence_length = 1;
  v1::DataType compute_dtype = v1::DATA_TYPE_FLOAT32;
};

struct Measured {
  v1::Estimate estimate;
  StepWork work;
};

// What a layout (sizes, stage and recomputation of the choice) costs; nothing:
// it cannot be. Asked for all stages of one partition in turn.
using MeasureLayout =
    absl::FunctionRef<std::optional<Measured>(const v1::LayoutChoice&)>;

// Tensor-parallel groups stay within a host: at most this many ranks.
inline constexpr int kMostTensorRanks = 64;

// Equal times: the smaller memory first, then the smaller tensor-parallel
// size. The first three are explained.
v1::TuneResult Tune(const TuneJob& job, const v1::TuneRequest& request,
                    MeasureLayout measure);

}  // namespace autotp::planner

#endif  // AUTOTP_COORDINATOR_PLANNER_TUNE_H_
