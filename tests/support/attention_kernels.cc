#include "tests/support/attention_kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "tests/support/dropout_kernels.h"

namespace autotp::testing {

using program::FlagOf;
using program::IntegerOf;
using program::Node;
using program::NumberOf;

namespace {

constexpr double kUnseen = -std::numeric_limits<double>::infinity();

Tensor ZerosLike(const Tensor& x) {
  return {x.shape, std::vector<double>(x.data.size(), 0)};
}

struct Inputs {
  explicit Inputs(const TensorPointers& in) : q(*in[0]), k(*in[1]), v(*in[2]) {
    if (in.size() > 3) bias = in[3];
    if (in.size() > 4) positions = in[4];
    if (in.size() > 5) seen = in[5];
  }
  const Tensor& q;
  const Tensor& k;
  const Tensor& v;
  const Tensor* bias = nullptr;
  const Tensor* positions = nullptr;
  const Tensor* seen = nullptr;
};

// One query of one head.
struct Query {
  int64_t row = 0;        // of q
  int64_t first_key = 0;  // row of k: of the head's first
  std::vector<double> weights;
  std::vector<double> slopes;   // of each score by the scaled product
  std::vector<double> factors;  // dropout's
};

bool Sees(const Node& node, const Inputs& in, int64_t b, int64_t t, int64_t s) {
  const int64_t window = IntegerOf(node, "window", 0);
  if (in.seen != nullptr && in.seen->data[b * in.k.shape[2] + s] == 0)
    return false;
  if (!FlagOf(node, "causal", true))
    return window == 0 || std::abs(t - s) < window;
  if (s > t || (window > 0 && s <= t - window)) return false;
  return in.positions == nullptr ||
         static_cast<double>(t - s) <=
             in.positions->data[b * in.q.shape[2] + t];
}

// The softmax weights of a query; all are 0 where it sees no key.
void Weigh(const Node& node, const Inputs& in, int64_t b, int64_t head,
           int64_t t, Query* query) {
  const int64_t width = in.q.shape[3];
  const int64_t keys = in.k.shape[2];
  const double cap = NumberOf(node, "soft_cap", 0);
  const double scale = NumberOf(node, "scale");
  query->slopes.assign(keys, 1);
  query->weights.assign(keys, kUnseen);
  double most = kUnseen;
  for (int64_t s = 0; s < keys; ++s) {
    if (!Sees(node, in, b, t, s)) continue;
    double score = 0;
    for (int64_t j = 0; j < width; ++j)
      score += in.q.data[query->row * width + j] *
               in.k.data[(query->first_key + s) * width + j] * scale;
    if (cap > 0) {
      const double bent = std::tanh(score / cap);
      score = cap * bent;
      query->slopes[s] = 1 - bent * bent;
    }
    if (in.bias != nullptr) score += in.bias->data[head * keys + s];
    query->weights[s] = score;
    most = std::max(most, score);
  }
  double sum = 0;
  for (double& weight : query->weights) {
    weight = weight == kUnseen ? 0 : std::exp(weight - most);
    sum += weight;
  }
  for (double& weight : query->weights) weight /= sum > 0 ? sum : 1;
}

template <typename Visit>
void ForEachQuery(const Node& node, const Inputs& in, const Visit& visit) {
  const int64_t heads = in.q.shape[1];
  const int64_t groups = in.k.shape[1];
  const int64_t tokens = in.q.shape[2];
  const int64_t keys = in.k.shape[2];
  for (int64_t b = 0; b < in.q.shape[0]; ++b) {
    const std::vector<double> factors =
        SoftmaxFactors(node, b, heads, tokens, keys);
    for (int64_t head = 0; head < heads; ++head) {
      for (int64_t t = 0; t < tokens; ++t) {
        Query query;
        query.row = (b * heads + head) * tokens + t;
        query.first_key = (b * groups + head / (heads / groups)) * keys;
        Weigh(node, in, b, head, t, &query);
        query.factors.assign(keys, 1);
        if (!factors.empty()) {
          const auto row = factors.begin() + (head * tokens + t) * keys;
          query.factors.assign(row, row + keys);
        }
        visit(query);
      }
    }
  }
}

}  // namespace

Tensor Attention(const Node& node, const TensorPointers& inputs) {
  const Inputs in(inputs);
  const int64_t width = in.v.shape[3];
  Tensor y{in.q.shape, {}};
  y.shape[3] = width;
  y.data.assign(in.q.data.size() / std::max<int64_t>(1, in.q.shape[3]) * width,
                0);
  ForEachQuery(node, in, [&](const Query& query) {
    for (size_t s = 0; s < query.weights.size(); ++s)
      for (int64_t j = 0; j < width; ++j)
        y.data[query.row * width + j] +=
            query.weights[s] * query.factors[s] *
            in.v.data[(query.first_key + s) * width + j];
  });
  return y;
}

std::vector<Tensor> AttentionBackward(const Node& node,
                                      const TensorPointers& inputs,
                                      const Tensor& gradient) {
  const Inputs in(inputs);
  std::vector<Tensor> grads{ZerosLike(in.q), ZerosLike(in.k), ZerosLike(in.v)};
  const int64_t width = in.q.shape[3];
  const int64_t value_width = in.v.shape[3];
  const double scale = NumberOf(node, "scale");
  ForEachQuery(node, in, [&](const Query& query) {
    const size_t keys = query.weights.size();
    std::vector<double> slope(keys, 0);
    double mean = 0;
    for (size_t s = 0; s < keys; ++s) {
      const int64_t value = (query.first_key + s) * value_width;
      for (int64_t j = 0; j < value_width; ++j) {
        const double d = gradient.data[query.row * value_width + j];
        slope[s] += d * in.v.data[value + j] * query.factors[s];
        grads[2].data[value + j] += d * query.weights[s] * query.factors[s];
      }
      mean += slope[s] * query.weights[s];
    }
    for (size_t s = 0; s < keys; ++s) {
      const double d =
          query.weights[s] * (slope[s] - mean) * scale * query.slopes[s];
      const int64_t key = (query.first_key + s) * width;
      for (int64_t j = 0; j < width; ++j) {
        grads[0].data[query.row * width + j] += d * in.k.data[key + j];
        grads[1].data[key + j] += d * in.q.data[query.row * width + j];
      }
    }
  });
  if (in.bias != nullptr) grads.push_back(ZerosLike(*in.bias));
  return grads;
}

}  // namespace autotp::testing
