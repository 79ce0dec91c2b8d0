// rms_norm.h -- y = x / sqrt(mean(x^2) + eps) * weight over rows, in fp32.
//
// Rows are contiguous, `columns` numbers each. Any thread; callers split rows.
#ifndef AUTOTP_WORKER_KERNEL_CPU_RMS_NORM_H_
#define AUTOTP_WORKER_KERNEL_CPU_RMS_NORM_H_

#include <cstdint>

namespace autotp::kernel {

// Writes y[rows, columns] and inverse_rms[rows].
void RmsNormForward(const float* x, const float* weight, int64_t rows,
                    int64_t columns, float epsilon, float* y,
                    float* inverse_rms);

// dx[rows, columns] is written, or added to if `add`;
// dweight[columns] is always added to.
void RmsNormBackward(const float* dy, const float* x, const float* weight,
                     const float* inverse_rms, int64_t rows, int64_t columns,
                     bool add, float* dx, float* dweight);

}  // namespace autotp::kernel

#endif  // AUTOTP_WORKER_KERNEL_CPU_RMS_NORM_H_
