// trace.h -- reference traces: what Transformers and PyTorch computed for a
// tiny model, and the job that must reproduce it.
//
// A case folder (tests/golden/models/NAME) holds model/, ds_config.json,
// trace.json and, for some, final_model.safetensors.
#ifndef AUTOTP_TESTS_SUPPORT_TRACE_H_
#define AUTOTP_TESTS_SUPPORT_TRACE_H_

#include <string>
#include <vector>

#include "autotp/v1/job.pb.h"

namespace autotp::testing {

struct TraceStep {
  double loss = 0;
  double grad_norm = 0;
  double learning_rate = 0;
  double loss_scale = 0;  // 0: none
};

struct TraceTensor {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<double> probe;  // at flat indices trunc(linspace(0, n - 1, 8))
  double noise_max_abs = 0;   // between two correct runs
};

struct Trace {
  std::string name;
  int64_t sequence_length = 0;
  int64_t train_batch_size = 0;
  std::string data;  // path
  std::vector<TraceStep> steps;
  std::vector<TraceTensor> final_tensors;
};

Trace LoadTrace(const std::string& name);

// How a case is laid out; the numbers must not depend on it.
struct Layout {
  int tensor_parallel = 1;
  int data_parallel = 1;
  int zero_stage = 0;
  int micro_batch = 2;  // sequences
  bool sequence_parallel = false;
  bool vocabulary_parallel = true;

  std::string Describe() const;  // "TP 2 x DP 2, ZeRO 1, micro-batch 2"
};

// The case's own DeepSpeed JSON with the layout's sizes.
v1::JobSpec TraceJob(const Trace& trace, const Layout& layout,
                     const std::string& output_path);

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_SUPPORT_TRACE_H_
