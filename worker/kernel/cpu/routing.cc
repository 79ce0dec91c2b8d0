#include "worker/kernel/cpu/routing.h"

#include <algorithm>

namespace autotp::kernel {

Routing SortByExpert(const int64_t* chosen, int64_t tokens, int64_t top_k,
                     int64_t experts) {
  Routing routing;
  const int64_t choices = tokens * top_k;
  routing.top_k = top_k;
  routing.begin.assign(experts + 1, 0);
  routing.choice.resize(choices);
  routing.row.resize(choices);
  for (int64_t c = 0; c < choices; ++c) ++routing.begin[chosen[c] + 1];
  for (int64_t e = 0; e < experts; ++e)
    routing.begin[e + 1] += routing.begin[e];
  std::vector<int64_t> next(routing.begin.begin(), routing.begin.end() - 1);
  for (int64_t c = 0; c < choices; ++c) {
    const int64_t row = next[chosen[c]]++;
    routing.choice[row] = c;
    routing.row[c] = row;
  }
  return routing;
}

void GatherRows(const Routing& routing, const float* from, int64_t width,
                int64_t begin, int64_t end, float* to) {
  for (int64_t row = begin; row < end; ++row) {
    const int64_t token = routing.choice[row] / routing.top_k;
    std::copy_n(from + token * width, width, to + row * width);
  }
}

void CombineRows(const Routing& routing, const float* from,
                 const float* weights, int64_t width, int64_t begin,
                 int64_t end, bool add, float* to) {
  for (int64_t token = begin; token < end; ++token) {
    float* out = to + token * width;
    if (!add) std::fill_n(out, width, 0.0f);
    for (int64_t j = 0; j < routing.top_k; ++j) {
      const int64_t choice = token * routing.top_k + j;
      const float weight = weights == nullptr ? 1.0f : weights[choice];
      const float* in = from + routing.row[choice] * width;
      for (int64_t i = 0; i < width; ++i) out[i] += weight * in[i];
    }
  }
}

float WeighRow(float weight, int64_t width, float* a, float* b) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < width; ++i) {
    sum += a[i] * b[i];
    a[i] *= weight;
    b[i] *= weight;
  }
  return sum;
}

}  // namespace autotp::kernel
