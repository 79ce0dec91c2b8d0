// softmax.h -- one row of attention's softmax and of its gradient.
//
// A row has `size` scores, of which [from, from + count) may be seen; the
// others become 0, and so do all of them where each score is -inf. count >= 1.
// Any thread.
#ifndef AUTOTP_WORKER_KERNEL_CPU_SOFTMAX_H_
#define AUTOTP_WORKER_KERNEL_CPU_SOFTMAX_H_

#include <cstdint>

namespace autotp::kernel {

// Scores become probabilities. Returns log(sum(exp(scores))).
float SoftmaxRow(float* row, int64_t from, int64_t count, int64_t size);

// Scores become probabilities again, by the `log_sum` of the forward;
// `gradient`, of the probabilities, becomes scale times that of the scores.
// `dot` is the sum of probability times gradient.
void SoftmaxRowBackward(float* row, float* gradient, int64_t from,
                        int64_t count, int64_t size, float log_sum, float dot,
                        float scale);

}  // namespace autotp::kernel

#endif  // AUTOTP_WORKER_KERNEL_CPU_SOFTMAX_H_
