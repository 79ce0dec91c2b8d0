#include "worker/kernel/cpu/router.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace autotp::kernel {
namespace {

// As Transformers: keeps a sum of sigmoids from being zero.
constexpr float kLeastSum = 1e-20f;

void Softmax(const float* logits, int64_t count, float* scores) {
  const float most = *std::max_element(logits, logits + count);
  float sum = 0;
  for (int64_t e = 0; e < count; ++e) {
    scores[e] = std::exp(logits[e] - most);
    sum += scores[e];
  }
  for (int64_t e = 0; e < count; ++e) scores[e] /= sum;
}

void Sigmoid(const float* logits, int64_t count, float* scores) {
  for (int64_t e = 0; e < count; ++e)
    scores[e] = 1.0f / (1.0f + std::exp(-logits[e]));
}

// softmax's gradient, over its result.
void SoftmaxBackward(const float* gradient, int64_t count, float* scores,
                     float* out) {
  float mean = 0;
  for (int64_t e = 0; e < count; ++e) mean += gradient[e] * scores[e];
  for (int64_t e = 0; e < count; ++e) out[e] = scores[e] * (gradient[e] - mean);
}

// Takes the place of the largest number, which becomes -infinity.
int64_t TakeLargest(float* numbers, int64_t count) {
  float* most = std::max_element(numbers, numbers + count);
  *most = -std::numeric_limits<float>::infinity();
  return most - numbers;
}

// Leaves the experts of the best groups, the others at -infinity.
void KeepBestGroups(const RouterShape& shape, float* ranked,
                    std::vector<float>* groups) {
  const int64_t size = shape.experts / shape.groups;
  groups->resize(shape.groups);
  for (int64_t g = 0; g < shape.groups; ++g) {
    float first = -std::numeric_limits<float>::infinity();
    float second = first;
    for (int64_t e = g * size; e < (g + 1) * size; ++e) {
      second = std::max(second, std::min(first, ranked[e]));
      first = std::max(first, ranked[e]);
    }
    (*groups)[g] = first + second;
  }
  std::vector<bool> open(shape.groups, false);
  for (int64_t i = 0; i < shape.top_groups; ++i)
    open[TakeLargest(groups->data(), shape.groups)] = true;
  for (int64_t e = 0; e < shape.experts; ++e) {
    if (!open[e / size]) ranked[e] = -std::numeric_limits<float>::infinity();
  }
}

float ChosenSum(const RouterShape& shape, const float* scores,
                const int64_t* chosen) {
  if (!shape.normalize) return 1.0f;
  float sum = 0;
  for (int64_t j = 0; j < shape.top_k; ++j) sum += scores[chosen[j]];
  return shape.sigmoid ? sum + kLeastSum : sum;
}

}  // namespace

void RouterForward(const RouterShape& shape, const float* logits,
                   const float* bias, int64_t rows, float* scores,
                   float* weights, int64_t* chosen) {
  const int64_t E = shape.experts;
  const int64_t K = shape.top_k;
  std::vector<float> ranked(E);
  std::vector<float> groups;
  for (int64_t row = 0; row < rows; ++row) {
    float* own = scores + row * E;
    if (shape.sigmoid)
      Sigmoid(logits + row * E, E, own);
    else
      Softmax(logits + row * E, E, own);
    std::copy_n(own, E, ranked.begin());
    for (int64_t e = 0; bias != nullptr && e < E; ++e) ranked[e] += bias[e];
    if (shape.groups > 1) KeepBestGroups(shape, ranked.data(), &groups);
    int64_t* mine = chosen + row * K;
    for (int64_t j = 0; j < K; ++j) mine[j] = TakeLargest(ranked.data(), E);
    const float sum = ChosenSum(shape, own, mine);
    for (int64_t j = 0; j < K; ++j)
      weights[row * K + j] = own[mine[j]] / sum * shape.scale;
  }
}

void RouterBackward(const RouterShape& shape, const float* scores,
                    const int64_t* chosen, const float* dweights, int64_t rows,
                    float* dlogits) {
  const int64_t E = shape.experts;
  const int64_t K = shape.top_k;
  std::vector<float> gradient(E);
  for (int64_t row = 0; row < rows; ++row) {
    const float* own = scores + row * E;
    const int64_t* mine = chosen + row * K;
    const float* dw = dweights + row * K;
    float* out = dlogits + row * E;
    const float sum = ChosenSum(shape, own, mine);
    float mean = 0;
    for (int64_t j = 0; shape.normalize && j < K; ++j)
      mean += dw[j] * own[mine[j]] / sum;
    std::fill(gradient.begin(), gradient.end(), 0.0f);
    for (int64_t j = 0; j < K; ++j)
      gradient[mine[j]] = shape.scale * (dw[j] - mean) / sum;
    if (shape.sigmoid) {
      for (int64_t e = 0; e < E; ++e)
        out[e] = gradient[e] * own[e] * (1.0f - own[e]);
    } else {
      float dot = 0;
      for (int64_t j = 0; j < K; ++j) dot += gradient[mine[j]] * own[mine[j]];
      for (int64_t e = 0; e < E; ++e) out[e] = own[e] * (gradient[e] - dot);
    }
  }
}

void RouterScores(const float* logits, int64_t experts, int64_t rows,
                  float* scores) {
  for (int64_t row = 0; row < rows; ++row)
    Softmax(logits + row * experts, experts, scores + row * experts);
}

void RouterScoresBackward(const float* gradient, int64_t experts, int64_t rows,
                          float* scores) {
  for (int64_t row = 0; row < rows; ++row) {
    float* own = scores + row * experts;
    SoftmaxBackward(gradient, experts, own, own);
  }
}

}  // namespace autotp::kernel
