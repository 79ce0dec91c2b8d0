// rounding.h -- numbers between the types that they are stored in and
// exchanged in: fp32, bf16, fp16.
//
// To nearest, ties to even; NaN stays NaN, what is too large becomes infinite
// (worker/kernel/half.h). Sums are formed in fp32. Arrays do not overlap.
// Any thread.
#ifndef AUTOTP_WORKER_ZERO_ROUNDING_H_
#define AUTOTP_WORKER_ZERO_ROUNDING_H_

#include <cstdint>

#include "worker/collective/communicator.h"

namespace autotp::zero {

// fp32 to `type`, and back.
void Round(const float* from, int64_t count, collective::ElementType type,
           void* to);
void Widen(const void* from, int64_t count, collective::ElementType type,
           float* to);

void Convert(const void* from, collective::ElementType from_type, int64_t count,
             void* to, collective::ElementType to_type);
// to = rounded(to + from)
void Accumulate(const void* from, collective::ElementType from_type,
                int64_t count, void* to, collective::ElementType to_type);

}  // namespace autotp::zero

#endif  // AUTOTP_WORKER_ZERO_ROUNDING_H_
