// tensor_parallel_request.h -- what the `tensor_parallel` section asks for.
//
// Flow: ReadConfig() -> plan/ turns it into rules. Patterns are texts here;
// plan/ compiles and matches them.
#ifndef AUTOTP_COORDINATOR_CONFIG_TENSOR_PARALLEL_REQUEST_H_
#define AUTOTP_COORDINATOR_CONFIG_TENSOR_PARALLEL_REQUEST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "coordinator/config/diagnostics.h"

namespace autotp::config {

enum class PartitionType { kColumn, kRow, kSkip };

struct PlacedText {
  std::string text;
  SourcePlace place;
};

// One entry of a spec's `shape`: a number (-1: inferred; at partition_dim the
// number of equal blocks) or, at partition_dim only, the sizes of the blocks.
using ShapeEntry = std::variant<int64_t, std::vector<int64_t>>;

struct LayerSpec {
  std::vector<PlacedText> patterns;  // Python regular expressions; any of them
  PartitionType type = PartitionType::kColumn;
  bool gather_output = false;
  bool grad_allreduce = false;
  std::vector<ShapeEntry> shape;         // empty: none
  int64_t partition_dim = 0;             // index into `shape`
  std::vector<std::string> model_types;  // lower case; empty: all
  SourcePlace place;
  SourcePlace shape_place;
};

struct PartitionConfig {
  std::vector<LayerSpec> specs;
  bool use_default_specs = true;
  bool strict_mode = false;
  SourcePlace place;
};

// `vocab_parallel_lm_head`: whether head, embedding and loss are cut over the
// vocabulary.
enum class VocabularyParallel {
  kUnlessRuled,  // null: a rule for them decides, and they are cut without one
  kAlways,       // true: the head is, whatever a rule says of it
  kNever,        // false
};

struct TensorParallelRequest {
  int64_t size = 1;
  SourcePlace size_place;
  std::optional<PlacedText> preset_model;
  std::optional<PartitionConfig> partition_config;
  VocabularyParallel vocabulary_parallel = VocabularyParallel::kUnlessRuled;
  SourcePlace vocabulary_place;
  // Columns and rows are shared out in multiples of so many; the last rank
  // takes the rest.
  int64_t grain = 1;
};

}  // namespace autotp::config

#endif  // AUTOTP_COORDINATOR_CONFIG_TENSOR_PARALLEL_REQUEST_H_
