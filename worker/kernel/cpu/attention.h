// attention.h -- causal attention of the query heads that share one key and
// value head, over blocks of 64 queries.
//
// Scores exist for one block at a time, so memory grows with T, not T^2; keys
// that no query of the block may see are never multiplied. The R query heads
// are rows of one matrix, so grouped heads need no copies of keys and values.
// The backward makes the scores again from the kept logarithms of their sums,
// and draws dropout's factors again.
//
// Any thread; groups are independent of each other.
#ifndef AUTOTP_WORKER_KERNEL_CPU_ATTENTION_H_
#define AUTOTP_WORKER_KERNEL_CPU_ATTENTION_H_

#include <cstdint>

#include "worker/kernel/cpu/dropout.h"
#include "worker/kernel/matrix_product.h"

namespace autotp::kernel {

struct AttentionShape {
  int64_t heads = 1;        // query heads of the group, R
  int64_t tokens = 0;       // T
  int64_t width = 0;        // D, of queries and keys
  int64_t value_width = 0;  // W, of values and results
  int64_t window = 0;  // a query sees itself and window-1 before it; 0: all
  float scale = 1.0f;
  float soft_cap = 0.0f;        // scores are soft_cap * tanh(s / soft_cap)
  const float* bias = nullptr;  // [R, T], dense: added to a key's scores
  // [T], never falling: the first key that a query may see, where documents
  // are packed; null: 0.
  const int64_t* first = nullptr;
  // Of the softmax; null: none. A head's queries are the rows from its place in
  // the model, times T, on.
  const DropoutStream* dropout = nullptr;
  int64_t sequence = 0;                  // the dropout's
  const int64_t* head_places = nullptr;  // [R]
};

// Heads of one group, T rows of D or W numbers each. Rows lie `token` apart,
// heads `head` apart; the numbers of a row are neighbours.
template <typename Number>
struct HeadRows {
  Number* data = nullptr;
  int64_t head = 0;
  int64_t token = 0;
};
using ConstHeadRows = HeadRows<const float>;
using MutableHeadRows = HeadRows<float>;

// Writes y (R heads) and log_sums (R * T numbers, in an order of its own).
void AttentionForward(const AttentionShape& shape, MatrixProduct product,
                      ConstHeadRows q, ConstHeadRows k, ConstHeadRows v,
                      MutableHeadRows y, float* log_sums);

// Writes dq (R heads), dk and dv (one head).
void AttentionBackward(const AttentionShape& shape, MatrixProduct product,
                       ConstHeadRows q, ConstHeadRows k, ConstHeadRows v,
                       ConstHeadRows y, const float* log_sums, ConstHeadRows dy,
                       MutableHeadRows dq, MutableHeadRows dk,
                       MutableHeadRows dv);

}  // namespace autotp::kernel

#endif  // AUTOTP_WORKER_KERNEL_CPU_ATTENTION_H_
