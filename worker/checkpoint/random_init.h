// random_init.h -- random initial weights that no layout can change.
//
// The number at a place depends on the seed, the parameter's name and the
// flat index in the whole tensor only: Philox4x32-10 in counter mode, keyed by
// XXH3-64 of the name under the seed, then Box-Muller. So every rank draws
// just its slice, and all layouts draw the same model.
//
// Pure.
#ifndef AUTOTP_WORKER_CHECKPOINT_RANDOM_INIT_H_
#define AUTOTP_WORKER_CHECKPOINT_RANDOM_INIT_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "autotp/v1/program.pb.h"

namespace autotp::checkpoint {

// Standard normal numbers at [first, first + count) of the tensor `name`.
void DrawNormal(uint64_t seed, absl::string_view name, int64_t first,
                int64_t count, float* out);

// This rank's slice of the parameter, by its initialization.
// INVALID_ARGUMENT: no kind, or a slice outside the shape.
absl::Status DrawParameter(const v1::Parameter& parameter, uint64_t seed,
                           float* out);

}  // namespace autotp::checkpoint

#endif  // AUTOTP_WORKER_CHECKPOINT_RANDOM_INIT_H_
