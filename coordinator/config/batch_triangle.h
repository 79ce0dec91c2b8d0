// batch_triangle.h -- train batch = micro batch x accumulation x data-parallel
// size, with what is missing filled in.
//
// The data-parallel size is world / autotp_size: the ranks of one
// tensor-parallel group see the same sequences.
#ifndef AUTOTP_COORDINATOR_CONFIG_BATCH_TRIANGLE_H_
#define AUTOTP_COORDINATOR_CONFIG_BATCH_TRIANGLE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "coordinator/config/json_document.h"

namespace autotp::config {

// Given numbers are at least 1 and at most 2^31.
struct BatchRequest {
  std::optional<int64_t> train;         // train_batch_size
  std::optional<int64_t> micro;         // train_micro_batch_size_per_gpu
  std::optional<int64_t> accumulation;  // gradient_accumulation_steps
};

struct BatchNumbers {
  int64_t train = 0;
  int64_t micro = 0;
  int64_t accumulation = 0;

  // Empty: the numbers are good. Else why not, with all of them, and what
  // would close.
  std::string problem;
  std::string suggestion;
  absl::string_view reason;  // BATCH_SIZE_MISSING or BATCH_SIZE_MISMATCH
};

// REQUIRES: data_parallel_size >= 1.
BatchNumbers CloseBatchTriangle(const BatchRequest& request,
                                int64_t data_parallel_size);

// What DeepSpeed makes of the request without a mesh: it divides by the world
// and rounds down. nullopt where it would refuse.
std::optional<BatchNumbers> CountAsDeepSpeed(const BatchRequest& request,
                                             int64_t world_size);

struct BatchRanks {
  int64_t world_size = 1;
  int64_t data_parallel_size = 1;
};

// Reads the three keys, reports what does not close, and notes where DeepSpeed
// would count otherwise, or where "auto" was derived. A data_parallel_size of
// 0, itself an error reported elsewhere, checks types only.
BatchNumbers ReadBatch(const JsonDocument& document, const BatchRanks& ranks,
                       Diagnostics* diagnostics);

}  // namespace autotp::config

#endif  // AUTOTP_COORDINATOR_CONFIG_BATCH_TRIANGLE_H_
