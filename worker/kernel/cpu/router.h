// router.h -- which experts a token goes to, and what their results weigh.
//
// Everything in fp32, token by token: scores of all experts, the choice of the
// best by score + bias (with groups: among the groups whose two best sum to the
// most), weights from the scores of the chosen. Of equal scores the expert of
// the lower number wins.
//
// Any thread; tokens are independent of each other.
#ifndef AUTOTP_WORKER_KERNEL_CPU_ROUTER_H_
#define AUTOTP_WORKER_KERNEL_CPU_ROUTER_H_

#include <cstdint>

namespace autotp::kernel {

struct RouterShape {
  int64_t experts = 0;     // E
  int64_t top_k = 0;       // K
  int64_t groups = 1;      // equal runs of experts
  int64_t top_groups = 1;  // that are chosen from
  bool sigmoid = false;    // scores; else softmax
  bool normalize = false;  // the K scores by their sum
  float scale = 1.0f;
};

// `rows` tokens: logits and scores [E], weights and chosen [K] each. `bias` [E]
// may be null.
void RouterForward(const RouterShape& shape, const float* logits,
                   const float* bias, int64_t rows, float* scores,
                   float* weights, int64_t* chosen);

// Writes dlogits.
void RouterBackward(const RouterShape& shape, const float* scores,
                    const int64_t* chosen, const float* dweights, int64_t rows,
                    float* dlogits);

// The scores of softmax alone, and its backward, in place over `scores`, where
// `gradient` [E] is that of every row's scores.
void RouterScores(const float* logits, int64_t experts, int64_t rows,
                  float* scores);
void RouterScoresBackward(const float* gradient, int64_t experts, int64_t rows,
                          float* scores);

}  // namespace autotp::kernel

#endif  // AUTOTP_WORKER_KERNEL_CPU_ROUTER_H_
