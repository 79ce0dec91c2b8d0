#include "tests/support/program_kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "coordinator/program/shape_rules.h"
#include "proto/support/check.h"
#include "tests/support/attention_kernels.h"
#include "tests/support/dropout_kernels.h"
#include "tests/support/mixture_kernels.h"

namespace autotp::testing {

using program::ElementCount;
using program::IntegerOf;
using program::IntegersOf;
using program::Node;
using program::NumberOf;
using program::Operation;

namespace {

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

double Activate(const Node& node, double x) {
  const std::string& kind = program::TextOf(node, "kind");
  const double limit = NumberOf(node, "limit", 0);
  if (kind == "soft_cap") return limit * std::tanh(x / limit);
  if (kind == "clamp") return std::clamp(x, -limit, limit);
  if (kind == "silu") return x * Sigmoid(x);
  if (kind == "sigmoid") return Sigmoid(x);
  if (kind == "relu") return std::max(x, 0.0);
  if (kind == "gelu") return x * 0.5 * std::erfc(-x / std::numbers::sqrt2);
  const double inner =
      std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x);
  return 0.5 * x * (1 + std::tanh(inner));
}

double ActivateSlope(const Node& node, double x) {
  const std::string& kind = program::TextOf(node, "kind");
  const double limit = NumberOf(node, "limit", 0);
  if (kind == "soft_cap") return 1 - std::pow(std::tanh(x / limit), 2);
  if (kind == "clamp") return std::abs(x) <= limit ? 1 : 0;
  if (kind == "silu") return Sigmoid(x) * (1 + x * (1 - Sigmoid(x)));
  if (kind == "sigmoid") return Sigmoid(x) * (1 - Sigmoid(x));
  if (kind == "relu") return x > 0 ? 1 : 0;
  if (kind == "gelu") {
    return 0.5 * std::erfc(-x / std::numbers::sqrt2) +
           x * std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
  }
  const double root = std::sqrt(2 / std::numbers::pi);
  const double th = std::tanh(root * (x + 0.044715 * x * x * x));
  return 0.5 * (1 + th) +
         0.5 * x * (1 - th * th) * root * (1 + 3 * 0.044715 * x * x);
}

namespace {

constexpr int64_t kIgnoredLabel = -100;

int64_t Product(const std::vector<int64_t>& shape, size_t begin, size_t end) {
  int64_t product = 1;
  for (size_t i = begin; i < end; ++i) product *= shape[i];
  return product;
}

int64_t Leading(const Tensor& x) {
  return Product(x.shape, 0, x.shape.size() - 1);
}

// --- elementwise ----------------------------------------------------------

// For each element of a, the element of b that it meets.
std::vector<int64_t> BroadcastIndex(const Tensor& a, const Tensor& b) {
  const size_t skip = a.shape.size() - b.shape.size();
  std::vector<int64_t> index(a.data.size());
  for (size_t i = 0; i < index.size(); ++i) {
    int64_t rest = static_cast<int64_t>(i);
    int64_t stride = 1;
    for (size_t d = a.shape.size(); d-- > skip;) {
      const int64_t length = b.shape[d - skip];
      if (length != 1) index[i] += rest % a.shape[d] * stride;
      stride *= length;
      rest /= a.shape[d];
    }
  }
  return index;
}

std::vector<Tensor> BinaryBackward(const Node& node, const Tensor& a,
                                   const Tensor& b, const Tensor& g) {
  std::vector<Tensor> grads{Zeros(a.shape), Zeros(b.shape)};
  const std::vector<int64_t> index = BroadcastIndex(a, b);
  const bool mul = node.operation == Operation::kMul;
  for (size_t i = 0; i < index.size(); ++i) {
    grads[0].data[i] = g.data[i] * (mul ? b.data[index[i]] : 1);
    grads[1].data[index[i]] += g.data[i] * (mul ? a.data[i] : 1);
  }
  return grads;
}

// --- contractions and norms -------------------------------------------------

Tensor Transpose(const Tensor& x, size_t a, size_t b);

Tensor Linear(const Tensor& x, const Tensor& w, const Tensor* bias) {
  Tensor y{x.shape, {}};
  const int64_t n = w.shape[0];
  const int64_t k = w.shape[1];
  y.shape.back() = n;
  const int64_t rows = Leading(x);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < n; ++i) {
      double sum = bias != nullptr ? bias->data[i] : 0;
      for (int64_t j = 0; j < k; ++j)
        sum += x.data[r * k + j] * w.data[i * k + j];
      y.data.push_back(sum);
    }
  }
  return y;
}

std::vector<Tensor> LinearBackward(const Tensor& x, const Tensor& w,
                                   const Tensor* bias, const Tensor& g) {
  std::vector<Tensor> grads{Zeros(x.shape), Zeros(w.shape), {}};
  if (bias != nullptr) grads[2] = Zeros(bias->shape);
  const int64_t n = w.shape[0];
  const int64_t k = w.shape[1];
  const int64_t rows = Leading(x);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < n; ++i) {
      const double d = g.data[r * n + i];
      if (bias != nullptr) grads[2].data[i] += d;
      for (int64_t j = 0; j < k; ++j) {
        grads[0].data[r * k + j] += d * w.data[i * k + j];
        grads[1].data[i * k + j] += d * x.data[r * k + j];
      }
    }
  }
  return grads;
}

// Mean (0 for rms) and reciprocal deviation of one row.
std::pair<double, double> Moments(const Node& node, const double* x,
                                  int64_t width) {
  double mean = 0;
  if (node.operation == Operation::kLayerNorm) {
    for (int64_t j = 0; j < width; ++j) mean += x[j];
    mean /= static_cast<double>(width);
  }
  double square = 0;
  for (int64_t j = 0; j < width; ++j) square += (x[j] - mean) * (x[j] - mean);
  square = square / static_cast<double>(width) + NumberOf(node, "eps");
  return {mean, 1 / std::sqrt(square)};
}

// What normalized numbers are multiplied by.
Tensor NormWeight(const Node& node, const Tensor& x, const Tensor* w) {
  Tensor weight{{x.shape.back()}, {}};
  weight.data.assign(x.shape.back(), 1);
  if (w != nullptr) weight = *w;
  for (double& number : weight.data) number += NumberOf(node, "offset", 0);
  return weight;
}

Tensor Norm(const Node& node, const Tensor& x, const Tensor& w,
            const Tensor* bias) {
  Tensor y = x;
  const int64_t width = x.shape.back();
  const int64_t rows = Leading(x);
  for (int64_t r = 0; r < rows; ++r) {
    const auto [mean, scale] = Moments(node, &x.data[r * width], width);
    for (int64_t j = 0; j < width; ++j) {
      y.data[r * width + j] =
          (x.data[r * width + j] - mean) * scale * w.data[j] +
          (bias != nullptr ? bias->data[j] : 0);
    }
  }
  return y;
}

std::vector<Tensor> NormBackward(const Node& node, const Tensor& x,
                                 const Tensor& w, const Tensor* bias,
                                 const Tensor& g) {
  std::vector<Tensor> grads{Zeros(x.shape), Zeros(w.shape), {}};
  if (bias != nullptr) grads[2] = Zeros(bias->shape);
  const int64_t width = x.shape.back();
  const int64_t rows = Leading(x);
  const double count = static_cast<double>(width);
  const bool centered = node.operation == Operation::kLayerNorm;
  for (int64_t r = 0; r < rows; ++r) {
    const double* xr = &x.data[r * width];
    const double* gr = &g.data[r * width];
    const auto [mean, scale] = Moments(node, xr, width);
    double sum = 0;
    double dot = 0;
    for (int64_t j = 0; j < width; ++j) {
      const double normal = (xr[j] - mean) * scale;
      grads[1].data[j] += gr[j] * normal;
      if (bias != nullptr) grads[2].data[j] += gr[j];
      sum += gr[j] * w.data[j];
      dot += gr[j] * w.data[j] * normal;
    }
    for (int64_t j = 0; j < width; ++j) {
      const double normal = (xr[j] - mean) * scale;
      grads[0].data[r * width + j] =
          scale * (gr[j] * w.data[j] - normal * dot / count -
                   (centered ? sum / count : 0));
    }
  }
  return grads;
}

// --- embedding ---------------------------------------------------------------

int64_t LocalRow(const Node& node, double id, int64_t rows) {
  const int64_t row =
      static_cast<int64_t>(id) - IntegerOf(node, "row_begin", 0);
  return row >= 0 && row < rows ? row : -1;
}

Tensor Embedding(const Node& node, const Tensor& w, const Tensor& ids) {
  Tensor y{ids.shape, {}};
  const int64_t width = w.shape[1];
  y.shape.push_back(width);
  for (double id : ids.data) {
    const int64_t row = LocalRow(node, id, w.shape[0]);
    for (int64_t j = 0; j < width; ++j)
      y.data.push_back(row < 0 ? 0 : w.data[row * width + j]);
  }
  return y;
}

Tensor EmbeddingBackward(const Node& node, const Tensor& w, const Tensor& ids,
                         const Tensor& g) {
  Tensor grad = Zeros(w.shape);
  const int64_t width = w.shape[1];
  const int64_t padding = IntegerOf(node, "padding_idx", -1);
  for (size_t i = 0; i < ids.data.size(); ++i) {
    const int64_t row = LocalRow(node, ids.data[i], w.shape[0]);
    if (row < 0 || static_cast<int64_t>(ids.data[i]) == padding) continue;
    for (int64_t j = 0; j < width; ++j)
      grad.data[row * width + j] += g.data[i * width + j];
  }
  return grad;
}

// --- rotary ------------------------------------------------------------------

std::vector<Tensor> RotaryTable(const Node& node) {
  const std::vector<double>& frequencies = program::NumbersOf(node, "inv_freq");
  const int64_t length = IntegerOf(node, "length");
  const int64_t half = static_cast<int64_t>(frequencies.size());
  const double scale = NumberOf(node, "scale", 1.0);
  std::vector<Tensor> tables(2, Zeros({length, 2 * half}));
  for (int64_t t = 0; t < length; ++t) {
    for (int64_t j = 0; j < 2 * half; ++j) {
      const double angle = static_cast<double>(t) * frequencies[j % half];
      tables[0].data[t * 2 * half + j] = std::cos(angle) * scale;
      tables[1].data[t * 2 * half + j] = std::sin(angle) * scale;
    }
  }
  return tables;
}

std::vector<Tensor> AlibiTable(const Node& node) {
  const std::vector<double>& slopes = program::NumbersOf(node, "slopes");
  const int64_t length = IntegerOf(node, "length");
  Tensor bias{{static_cast<int64_t>(slopes.size()), length}, {}};
  for (double slope : slopes) {
    for (int64_t t = 0; t < length; ++t)
      bias.data.push_back(slope * static_cast<double>(t) *
                          NumberOf(node, "scale", 1.0));
  }
  return {bias};
}

// Pairs turned by the angles of cos and sin; transposed: the backward of that.
Tensor Rotary(const Node& node, const Tensor& x, const Tensor& cos,
              const Tensor& sin, bool transposed) {
  Tensor y = x;
  const int64_t tokens = x.shape[2];
  const int64_t width = x.shape[3];
  const int64_t turned = cos.shape[1];
  const int64_t half = turned / 2;
  const bool interleaved = FlagOf(node, "interleaved", false);
  const int64_t rows = Leading(x);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t table = r % tokens * turned;
    for (int64_t i = 0; i < half; ++i) {
      const int64_t low = r * width + (interleaved ? 2 * i : i);
      const int64_t high = low + (interleaved ? 1 : half);
      const double c0 = cos.data[table + i];
      const double c1 = cos.data[table + i + half];
      const double s0 = sin.data[table + i];
      const double s1 = sin.data[table + i + half];
      const double a = x.data[low];
      const double b = x.data[high];
      y.data[low] = a * c0 + b * (transposed ? s1 : -s0);
      y.data[high] = b * c1 + a * (transposed ? -s0 : s1);
    }
  }
  return y;
}

// --- moves -------------------------------------------------------------------

Tensor Transpose(const Tensor& x, size_t a, size_t b) {
  Tensor y = Zeros(x.shape);
  std::swap(y.shape[a], y.shape[b]);
  std::vector<int64_t> at(x.shape.size(), 0);
  for (double number : x.data) {
    std::vector<int64_t> to = at;
    std::swap(to[a], to[b]);
    int64_t flat = 0;
    for (size_t d = 0; d < to.size(); ++d) flat = flat * y.shape[d] + to[d];
    y.data[flat] = number;
    for (size_t d = at.size(); d-- > 0;) {
      if (++at[d] < x.shape[d]) break;
      at[d] = 0;
    }
  }
  return y;
}

// Copies between `whole` and the positions [begin, begin + part) of its `dim`.
void MovePiece(Tensor* whole, Tensor* part, size_t dim, int64_t begin,
               bool to_part) {
  const int64_t outer = Product(whole->shape, 0, dim);
  const int64_t inner = Product(whole->shape, dim + 1, whole->shape.size());
  const int64_t length = part->shape[dim];
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < length * inner; ++i) {
      double& there = whole->data[(o * whole->shape[dim] + begin) * inner + i];
      double& here = part->data[o * length * inner + i];
      if (to_part)
        here = there;
      else
        there += here;
    }
  }
}

Tensor SliceOf(const Tensor& x, size_t dim, int64_t begin, int64_t end) {
  std::vector<int64_t> shape = x.shape;
  shape[dim] = end - begin;
  Tensor part = Zeros(std::move(shape));
  Tensor whole = x;
  MovePiece(&whole, &part, dim, begin, true);
  return part;
}

Tensor ConcatOf(const TensorPointers& parts, size_t dim) {
  std::vector<int64_t> shape = parts[0]->shape;
  shape[dim] = 0;
  for (const Tensor* part : parts) shape[dim] += part->shape[dim];
  Tensor whole = Zeros(std::move(shape));
  int64_t begin = 0;
  for (const Tensor* part : parts) {
    Tensor copy = *part;
    MovePiece(&whole, &copy, dim, begin, false);
    begin += part->shape[dim];
  }
  return whole;
}

Tensor ExpandOf(const Tensor& x, size_t dim, int64_t size) {
  std::vector<int64_t> shape = x.shape;
  shape[dim] = size;
  Tensor whole = Zeros(std::move(shape));
  Tensor part = x;
  for (int64_t i = 0; i < size; ++i) MovePiece(&whole, &part, dim, i, false);
  return whole;
}

std::vector<Tensor> ConcatBackward(const TensorPointers& parts, size_t dim,
                                   const Tensor& g) {
  std::vector<Tensor> grads;
  int64_t begin = 0;
  for (const Tensor* part : parts) {
    grads.push_back(SliceOf(g, dim, begin, begin + part->shape[dim]));
    begin += part->shape[dim];
  }
  return grads;
}

program::Intervals TakenIntervals(const Node& node) {
  auto intervals = program::Decode(IntegersOf(node, "intervals"));
  AUTOTP_CHECK(intervals.ok(), intervals.status().ToString());
  return *std::move(intervals);
}

Tensor PutBack(const std::vector<int64_t>& shape, size_t dim,
               const program::Intervals& intervals, const Tensor& g) {
  Tensor whole = Zeros(shape);
  int64_t at = 0;
  for (const program::Interval& own : intervals) {
    Tensor part = SliceOf(g, dim, at, at + own.end - own.begin);
    MovePiece(&whole, &part, dim, own.begin, false);
    at += own.end - own.begin;
  }
  return whole;
}

}  // namespace

std::vector<Tensor> Forward(const Node& node, const TensorPointers& in) {
  const Tensor* second = in.size() > 1 ? in[1] : nullptr;
  const Tensor* third = in.size() > 2 ? in[2] : nullptr;
  switch (node.operation) {
    case Operation::kEmbedding:
      return {Embedding(node, *in[0], *in[1])};
    case Operation::kLinear:
      if (FlagOf(node, "transposed", false))
        return {Linear(*in[0], Transpose(*in[1], 0, 1), third)};
      return {Linear(*in[0], *in[1], third)};
    case Operation::kRmsNorm:
    case Operation::kLayerNorm:
      return {Norm(node, *in[0], NormWeight(node, *in[0], second), third)};
    case Operation::kRotaryTable:
      return RotaryTable(node);
    case Operation::kRotary:
      return {Rotary(node, *in[0], *in[1], *in[2], false)};
    case Operation::kAlibiTable:
      return AlibiTable(node);
    case Operation::kAttention:
      return {Attention(node, in)};
    case Operation::kActivation:
    case Operation::kGatedActivation: {
      Tensor y = *in[0];
      for (size_t i = 0; i < y.data.size(); ++i) {
        y.data[i] =
            Activate(node, y.data[i]) * (in.size() > 1 ? in[1]->data[i] : 1);
      }
      return {y};
    }
    case Operation::kAdd:
    case Operation::kMul: {
      Tensor y = *in[0];
      const std::vector<int64_t> index = BroadcastIndex(*in[0], *in[1]);
      for (size_t i = 0; i < y.data.size(); ++i) {
        const double b = in[1]->data[index[i]];
        y.data[i] =
            node.operation == Operation::kAdd ? y.data[i] + b : y.data[i] * b;
      }
      return {y};
    }
    case Operation::kScale: {
      Tensor y = *in[0];
      for (double& number : y.data) number *= NumberOf(node, "factor");
      return {y};
    }
    case Operation::kDropout:
      return {Dropout(node, *in[0])};
    case Operation::kReshape:
      return {Tensor{IntegersOf(node, "shape"), in[0]->data}};
    case Operation::kTranspose:
      return {Transpose(*in[0], IntegerOf(node, "a"), IntegerOf(node, "b"))};
    case Operation::kSlice:
      return {SliceOf(*in[0], IntegerOf(node, "dim"), IntegerOf(node, "begin"),
                      IntegerOf(node, "end"))};
    case Operation::kConcat:
      return {ConcatOf(in, IntegerOf(node, "dim"))};
    case Operation::kExpand:
      return {
          ExpandOf(*in[0], IntegerOf(node, "dim"), IntegerOf(node, "size"))};
    case Operation::kRouter:
      return RouterForward(node, *in[0], in.size() > 1 ? in[1] : nullptr);
    case Operation::kExperts:
      return {ExpertsForward(node, in)};
    case Operation::kRouterLoss:
      return {RouterLossForward(node, in)};
    case Operation::kStack: {
      Tensor y{in[0]->shape, {}};
      y.shape.insert(y.shape.begin(), static_cast<int64_t>(in.size()));
      for (const Tensor* part : in)
        y.data.insert(y.data.end(), part->data.begin(), part->data.end());
      return {y};
    }
    case Operation::kTake:
      return {TakeIntervals(*in[0], static_cast<int>(IntegerOf(node, "dim")),
                            TakenIntervals(node))};
    default:
      AUTOTP_CHECK(false, OperationName(node.operation), " is a collective");
      return {};
  }
}

std::vector<Tensor> Backward(const Node& node, const TensorPointers& in,
                             const Tensor& g) {
  const Tensor* second = in.size() > 1 ? in[1] : nullptr;
  const Tensor* third = in.size() > 2 ? in[2] : nullptr;
  switch (node.operation) {
    case Operation::kEmbedding:
      return {EmbeddingBackward(node, *in[0], *in[1], g), {}};
    case Operation::kLinear: {
      const bool transposed = FlagOf(node, "transposed", false);
      std::vector<Tensor> grads = LinearBackward(
          *in[0], transposed ? Transpose(*in[1], 0, 1) : *in[1], third, g);
      if (transposed) grads[1] = Transpose(grads[1], 0, 1);
      return grads;
    }
    case Operation::kRmsNorm:
    case Operation::kLayerNorm:
      return NormBackward(node, *in[0], NormWeight(node, *in[0], second), third,
                          g);
    case Operation::kRotaryTable:
    case Operation::kAlibiTable:
      return {};
    case Operation::kRotary:
      return {Rotary(node, g, *in[1], *in[2], true), {}, {}};
    case Operation::kAttention:
      return AttentionBackward(node, in, g);
    case Operation::kActivation:
    case Operation::kGatedActivation: {
      std::vector<Tensor> grads(in.size(), g);
      for (size_t i = 0; i < g.data.size(); ++i) {
        const double x = in[0]->data[i];
        grads[0].data[i] *= ActivateSlope(node, x);
        if (in.size() == 1) continue;
        grads[0].data[i] *= in[1]->data[i];
        grads[1].data[i] *= Activate(node, x);
      }
      return grads;
    }
    case Operation::kAdd:
    case Operation::kMul:
      return BinaryBackward(node, *in[0], *in[1], g);
    case Operation::kScale: {
      Tensor grad = g;
      for (double& number : grad.data) number *= NumberOf(node, "factor");
      return {grad};
    }
    case Operation::kDropout:
      return {Dropout(node, g)};
    case Operation::kReshape:
      return {Tensor{in[0]->shape, g.data}};
    case Operation::kTranspose:
      return {Transpose(g, IntegerOf(node, "a"), IntegerOf(node, "b"))};
    case Operation::kSlice: {
      const int64_t begin = IntegerOf(node, "begin");
      const int64_t end = IntegerOf(node, "end");
      program::Intervals range;
      if (end > begin) range.push_back({begin, end});
      return {PutBack(in[0]->shape, IntegerOf(node, "dim"), range, g)};
    }
    case Operation::kConcat:
      return ConcatBackward(in, IntegerOf(node, "dim"), g);
    case Operation::kExpand: {
      Tensor grad = Zeros(in[0]->shape);
      const TensorPointers copies(IntegerOf(node, "size"), in[0]);
      for (const Tensor& part :
           ConcatBackward(copies, IntegerOf(node, "dim"), g)) {
        for (size_t i = 0; i < part.data.size(); ++i)
          grad.data[i] += part.data[i];
      }
      return {grad};
    }
    case Operation::kRouter:
      return RouterBackward(node, *in[0], in.size() > 1 ? in[1] : nullptr, g);
    case Operation::kExperts:
      return ExpertsBackward(node, in, g);
    case Operation::kRouterLoss:
      return RouterLossBackward(node, in, g);
    case Operation::kStack: {
      std::vector<Tensor> grads;
      for (size_t i = 0; i < in.size(); ++i) {
        grads.push_back(SliceOf(g, 0, i, i + 1));
        grads.back().shape = in[i]->shape;
      }
      return grads;
    }
    case Operation::kTake:
      return {PutBack(in[0]->shape, IntegerOf(node, "dim"),
                      TakenIntervals(node), g)};
    default:
      AUTOTP_CHECK(false, OperationName(node.operation), " is a collective");
      return {};
  }
}

namespace {

// The label that token i of the flat batch predicts, or kIgnoredLabel.
int64_t Target(const Node& node, const Tensor& labels, size_t i) {
  if (!FlagOf(node, "shift", true)) return static_cast<int64_t>(labels.data[i]);
  const size_t tokens = labels.shape[1];
  if (i % tokens + 1 == tokens) return kIgnoredLabel;
  return static_cast<int64_t>(labels.data[i + 1]);
}

int64_t CountTargets(const Node& node, const Tensor& labels) {
  int64_t count = 0;
  for (size_t i = 0; i < labels.data.size(); ++i)
    count += Target(node, labels, i) != kIgnoredLabel;
  return count;
}

}  // namespace

LossParts CrossEntropyForward(const std::vector<const Node*>& nodes,
                              const TensorPointers& logits,
                              const Tensor& labels) {
  LossParts parts;
  const int64_t count = CountTargets(*nodes[0], labels);
  for (size_t i = 0; i < labels.data.size(); ++i) {
    double most = -std::numeric_limits<double>::infinity();
    double hit = 0;
    for (size_t r = 0; r < nodes.size(); ++r) {
      const int64_t width = logits[r]->shape[2];
      for (int64_t j = 0; j < width; ++j) {
        const double x = logits[r]->data[i * width + j];
        most = std::max(most, x);
        if (j + IntegerOf(*nodes[r], "row_begin", 0) ==
            Target(*nodes[r], labels, i))
          hit += x;
      }
    }
    double sum = 0;
    for (const Tensor* part : logits) {
      const int64_t width = part->shape[2];
      for (int64_t j = 0; j < width; ++j)
        sum += std::exp(part->data[i * width + j] - most);
    }
    parts.log_sums.push_back(std::log(sum) + most);
    if (Target(*nodes[0], labels, i) != kIgnoredLabel)
      parts.loss += (parts.log_sums.back() - hit) / static_cast<double>(count);
  }
  return parts;
}

Tensor CrossEntropyBackward(const Node& node, const Tensor& logits,
                            const Tensor& labels, const LossParts& parts,
                            double gradient) {
  Tensor grad = Zeros(logits.shape);
  const int64_t width = logits.shape[2];
  const double share = gradient / static_cast<double>(std::max<int64_t>(
                                      1, CountTargets(node, labels)));
  for (size_t i = 0; i < labels.data.size(); ++i) {
    const int64_t target = Target(node, labels, i);
    if (target == kIgnoredLabel) continue;
    for (int64_t j = 0; j < width; ++j) {
      const bool hit = j + IntegerOf(node, "row_begin", 0) == target;
      grad.data[i * width + j] =
          share * (std::exp(logits.data[i * width + j] - parts.log_sums[i]) -
                   (hit ? 1 : 0));
    }
  }
  return grad;
}

}  // namespace autotp::testing
