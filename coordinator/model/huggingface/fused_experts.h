// fused_experts.h -- where an expert's weight lies in files that store all
// experts of a layer as one tensor.
//
// Models on the hub store every expert's matrices apart; Transformers 5 keeps
// them fused in memory, and can save them so:
//   mlp.experts.gate_up_proj [E, 2I, C]: of each expert gate, then up
//   mlp.experts.down_proj    [E, C, I]
// Pure.
#ifndef AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_FUSED_EXPERTS_H_
#define AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_FUSED_EXPERTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace autotp::model {

struct FusedPlace {
  std::string tensor;
  int64_t expert = 0;
  int64_t part = 0;   // 0: gate or down, 1: up
  int64_t parts = 1;  // of one expert, along its first dimension
};

// Of "....experts.7.up_proj.weight" and the like, w1, w2 and w3 included;
// nullopt: `parameter` is no expert's weight.
std::optional<FusedPlace> FindFusedPlace(absl::string_view parameter);

// The elements before the weight of `shape` in a fused tensor of that shape;
// nullopt: it does not fit.
std::optional<int64_t> OffsetIn(const FusedPlace& place,
                                const std::vector<int64_t>& fused,
                                const std::vector<int64_t>& shape);

// `parameter` as Transformers 5 names it: Mixtral's block_sparse_moe is mlp.
std::string ModernName(absl::string_view parameter);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_FUSED_EXPERTS_H_
