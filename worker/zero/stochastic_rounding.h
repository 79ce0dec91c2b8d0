// stochastic_rounding.h -- fp32 to a 16-bit type, up or down by chance, so
// that small updates count on average instead of being rounded away.
//
// A number between two neighbours becomes the upper one with the probability
// of its distance from the lower; what is representable stays. The chance is
// a hash of a key and the element's place in the whole tensor: every layout
// rounds alike, and a run can be repeated.
//
// Any thread.
#ifndef AUTOTP_WORKER_ZERO_STOCHASTIC_ROUNDING_H_
#define AUTOTP_WORKER_ZERO_STOCHASTIC_ROUNDING_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "worker/zero/numbers.h"

namespace autotp::zero {

// For one array of one parameter in one step. `array`: 0 for the weights, 1
// and on for the states.
uint64_t RoundingKey(uint64_t seed, absl::string_view parameter, int array,
                     int64_t step);

// Element i of `from` is at place `first` + i. NaN stays NaN; what is too large
// becomes infinite. bf16 or fp16.
void RoundStochastically(uint64_t key, int64_t first, int64_t count,
                         const float* from, Numbers to);

}  // namespace autotp::zero

#endif  // AUTOTP_WORKER_ZERO_STOCHASTIC_ROUNDING_H_
