// scores.h -- what may happen to a row of attention's scores before the
// softmax. Any thread.
#ifndef AUTOTP_WORKER_KERNEL_CPU_SCORES_H_
#define AUTOTP_WORKER_KERNEL_CPU_SCORES_H_

#include <cstdint>

namespace autotp::kernel {

// row = limit * tanh(row / limit). Writes the derivative to `slope` unless it
// is null.
void SoftCapRow(float* row, int64_t count, float limit, float* slope);

// Scores become -inf where a key may not be seen.
void HideRow(const bool* seen, int64_t count, float* row);

// row += other, row *= other.
void AddRow(const float* other, int64_t count, float* row);
void MultiplyRow(const float* other, int64_t count, float* row);

}  // namespace autotp::kernel

#endif  // AUTOTP_WORKER_KERNEL_CPU_SCORES_H_
