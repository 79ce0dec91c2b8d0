// bfloat16.h -- fp32 rounded to bf16, to nearest even; NaN stays NaN.
#ifndef AUTOTP_WORKER_ZERO_BFLOAT16_H_
#define AUTOTP_WORKER_ZERO_BFLOAT16_H_

#include <cstdint>

namespace autotp::zero {

void RoundToBFloat16(const float* from, int64_t count, uint16_t* to);

}  // namespace autotp::zero

#endif  // AUTOTP_WORKER_ZERO_BFLOAT16_H_
