// measure_layout.h -- what a layout costs, from the local program itself: the
// model is built for its micro-batch and cut for its size.
//
// Reads config.json again for every micro-batch; never a weight. One thread.
#ifndef AUTOTP_COORDINATOR_PLANNER_MEASURE_LAYOUT_H_
#define AUTOTP_COORDINATOR_PLANNER_MEASURE_LAYOUT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "autotp/v1/training.pb.h"
#include "coordinator/config/tensor_parallel_request.h"
#include "coordinator/model/model.h"
#include "coordinator/partition/partition.h"
#include "coordinator/planner/tune.h"

namespace autotp::planner {

class LayoutMeasure {
 public:
  LayoutMeasure(model::ModelRequest model,
                config::TensorParallelRequest tensor_parallel,
                const v1::TrainingConfig& training, bool sequence_parallel);

  std::optional<Measured> Measure(const v1::LayoutChoice& choice);

 private:
  // Of this size and micro-batch; kept until another is asked for.
  bool Cut(int tensor_parallel_size, int64_t micro_batch);

  model::ModelRequest model_;
  config::TensorParallelRequest tensor_parallel_;
  v1::TrainingConfig training_;
  const bool sequence_parallel_;
  bool cut_ = false;
  program::Program program_;
  partition::Partitioned partitioned_;
};

}  // namespace autotp::planner

#endif  // AUTOTP_COORDINATOR_PLANNER_MEASURE_LAYOUT_H_
