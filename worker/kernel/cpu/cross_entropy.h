// cross_entropy.h -- the mean negative log likelihood over rows of logits, and
// its gradient in the logits' own memory.
//
// Three passes over rows of `columns` logits, contiguous, fp32. Where the
// vocabulary is cut, each pass is followed by a sum or maximum over the ranks
// of its one or two numbers per row, and `columns` are this rank's:
//
//   RowMaximum      -> maximum[row]               (then: max over ranks)
//   Exponentiate    -> sum[row], target[row]      (then: sum over ranks)
//   ToGradient      logits become the gradient
//   loss of a row = log(sum) - target
//
// `targets` are column numbers of this rank, kElsewhere where the target lies
// on another rank, kIgnored where the row does not count.
#ifndef AUTOTP_WORKER_KERNEL_CPU_CROSS_ENTROPY_H_
#define AUTOTP_WORKER_KERNEL_CPU_CROSS_ENTROPY_H_

#include <cstdint>

namespace autotp::kernel {

inline constexpr int64_t kIgnored = -1;
inline constexpr int64_t kElsewhere = -2;

void RowMaximum(const float* logits, int64_t rows, int64_t columns,
                float* maximum);

// logits become exp(logits - maximum); sum is theirs over the row, target the
// target's logit less the maximum, 0 where it lies elsewhere. Ignored rows
// stay as they are, with sum 1 and target 0.
void Exponentiate(float* logits, const int64_t* targets, const float* maximum,
                  int64_t rows, int64_t columns, float* sum, float* target);

// What Exponentiate left becomes factor * (softmax - one_hot(target)); 0 in
// ignored rows.
void ToGradient(float* values, const int64_t* targets, const float* sum,
                int64_t rows, int64_t columns, float factor);

}  // namespace autotp::kernel

#endif  // AUTOTP_WORKER_KERNEL_CPU_CROSS_ENTROPY_H_
