// routing.h -- tokens sorted by their experts, and back.
//
// Each token has K choices; its row is moved next to the rows of the other
// tokens that chose the same expert, so that an expert's work is a few plain
// matrix products. Sums over a token's choices go in the order of the choices:
// they do not depend on the number of threads.
//
// Pure; loops may be split over tokens or sorted rows.
#ifndef AUTOTP_WORKER_KERNEL_CPU_ROUTING_H_
#define AUTOTP_WORKER_KERNEL_CPU_ROUTING_H_

#include <cstdint>
#include <vector>

namespace autotp::kernel {

// A choice is numbered token * K + j; the sorted rows are numbered 0, 1, ...
struct Routing {
  int64_t top_k = 0;
  std::vector<int64_t> begin;   // [expert]: its first sorted row; one more
  std::vector<int64_t> choice;  // [sorted row]
  std::vector<int64_t> row;     // [choice]

  int64_t rows() const { return static_cast<int64_t>(choice.size()); }
  int64_t rows_of(int64_t expert) const {
    return begin[expert + 1] - begin[expert];
  }
};

// REQUIRES: 0 <= chosen[i] < experts.
Routing SortByExpert(const int64_t* chosen, int64_t tokens, int64_t top_k,
                     int64_t experts);

// to[row] = from[token of row], for sorted rows [begin, end); rows are `width`
// numbers.
void GatherRows(const Routing& routing, const float* from, int64_t width,
                int64_t begin, int64_t end, float* to);

// to[token] (+)= the sum of weight * from[row] over the token's choices, for
// tokens [begin, end). `weights` [choice]; null: 1.
void CombineRows(const Routing& routing, const float* from,
                 const float* weights, int64_t width, int64_t begin,
                 int64_t end, bool add, float* to);

// Both rows times `weight`; returns their product before that.
float WeighRow(float weight, int64_t width, float* a, float* b);

}  // namespace autotp::kernel

#endif  // AUTOTP_WORKER_KERNEL_CPU_ROUTING_H_
