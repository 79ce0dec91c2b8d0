// optimizer_states.h -- the numbers that an optimizer keeps of every element,
// by name.
//
// The worker allocates and checkpoints them by these names, which are those
// that PyTorch and DeepSpeed use; the coordinator counts their bytes. Pure.
#ifndef AUTOTP_PROTO_SUPPORT_OPTIMIZER_STATES_H_
#define AUTOTP_PROTO_SUPPORT_OPTIMIZER_STATES_H_

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "autotp/v1/training.pb.h"
#include "proto/support/flat_layout.h"

namespace autotp::zero {

inline constexpr int kMostStates = 2;

// At most kMostStates. `orthogonalized`: Parameter.orthogonalized.
absl::Span<const absl::string_view> OptimizerStates(
    const v1::OptimizerConfig& optimizer, bool orthogonalized);

// Of all optimizers.
absl::Span<const absl::string_view> AllOptimizerStates();

// Numbers of optimizer state that shard `shard` holds, or one rank that holds
// all (-1). `states`: [parameter] how many it has of every element.
int64_t StateElements(const FlatLayout& layout, const std::vector<int>& states,
                      int shard);

}  // namespace autotp::zero

#endif  // AUTOTP_PROTO_SUPPORT_OPTIMIZER_STATES_H_
