// attention.h -- attention of the query heads that share one key and value
// head, over blocks of 64 queries.
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
  int64_t tokens = 0;       // T, of queries
  int64_t keys = 0;         // S; T where `causal` or with a window
  int64_t width = 0;        // D, of queries and keys
  int64_t value_width = 0;  // W, of values and results
  bool causal = true;       // a query sees itself and what came before it
  // Of what it sees, itself and the window-1 tokens on each side; 0: all.
  int64_t window = 0;
  float scale = 1.0f;
  float soft_cap = 0.0f;        // scores are soft_cap * tanh(s / soft_cap)
  const float* bias = nullptr;  // [R, S], dense: added to a key's scores
  const bool* seen = nullptr;   // [S]: keys that may be seen; null: all
  // [T], never falling: the first key that a query may see, where documents
  // are packed; null: 0.
  const int64_t* first = nullptr;
  // Of the softmax; null: none. A head's queries are the rows from its place in
  // the model, times T, on.
  const DropoutStream* dropout = nullptr;
  int64_t sequence = 0;                  // the dropout's
  const int64_t* head_places = nullptr;  // [R]
};

// Heads of one group, T or S rows of D or W numbers each. Rows lie `token`
// apart, heads `head` apart; the numbers of a row are neighbours.
template <typename Number>
struct HeadRows {
  Number* data = nullptr;
  int64_t head = 0;
  int64_t token = 0;
};
using ConstHeadRows = HeadRows<const float>;
using MutableHeadRows = HeadRows<float>;

// Writes y (R heads; 0 of a query that sees no key) and log_sums (R * T
// numbers, in an order of its own).
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
