// gated.h -- silu(gate) * up, forward and backward, in fp32.
//
// Flat arrays of `count` numbers; outputs may be the inputs' own arrays.
#ifndef AUTOTP_WORKER_KERNEL_CPU_GATED_H_
#define AUTOTP_WORKER_KERNEL_CPU_GATED_H_

#include <cstdint>

namespace autotp::kernel {

void GatedSiluForward(const float* gate, const float* up, int64_t count,
                      float* y);

// dgate may be gate, dup may be up.
void GatedSiluBackward(const float* dy, const float* gate, const float* up,
                       int64_t count, float* dgate, float* dup);

}  // namespace autotp::kernel

#endif  // AUTOTP_WORKER_KERNEL_CPU_GATED_H_
