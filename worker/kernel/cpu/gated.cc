#include "worker/kernel/cpu/gated.h"

#include "worker/kernel/clones.h"
#include "worker/kernel/cpu/exponential.h"

namespace autotp::kernel {

AUTOTP_CLONES
void GatedSiluForward(const float* gate, const float* up, int64_t count,
                      float* y) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) y[i] = gate[i] * Sigmoid(gate[i]) * up[i];
}

AUTOTP_CLONES
void GatedSiluBackward(const float* dy, const float* gate, const float* up,
                       int64_t count, float* dgate, float* dup) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float g = gate[i];
    const float s = Sigmoid(g);
    const float d = dy[i];
    const float u = up[i];
    dgate[i] = d * u * s * (1.0f + g * (1.0f - s));
    dup[i] = d * g * s;
  }
}

}  // namespace autotp::kernel
