#include "tests/support/cut_norm.h"

#include <cmath>

namespace autotp::testing {

using program::IntegerOf;
using program::Node;
using program::NumberOf;

namespace {

int64_t RowsOf(const Tensor& x) {
  int64_t rows = 1;
  for (size_t d = 0; d + 1 < x.shape.size(); ++d) rows *= x.shape[d];
  return rows;
}

// 1 / sqrt(mean of squares + eps) of each row.
std::vector<double> Scales(const Node& node,
                           const std::vector<TensorPointers>& ranks) {
  std::vector<double> scales(RowsOf(*ranks[0][0]), 0);
  for (const TensorPointers& in : ranks) {
    const int64_t width = in[0]->shape.back();
    for (size_t i = 0; i < in[0]->data.size(); ++i)
      scales[i / width] += in[0]->data[i] * in[0]->data[i];
  }
  const auto size = static_cast<double>(IntegerOf(node, "size"));
  for (double& scale : scales)
    scale = 1 / std::sqrt(scale / size + NumberOf(node, "eps"));
  return scales;
}

}  // namespace

std::vector<Tensor> CutRmsNormForward(
    const Node& node, const std::vector<TensorPointers>& ranks) {
  const std::vector<double> scales = Scales(node, ranks);
  const double offset = NumberOf(node, "offset", 0);
  std::vector<Tensor> made;
  for (const TensorPointers& in : ranks) {
    Tensor y = *in[0];
    const int64_t width = y.shape.back();
    for (size_t i = 0; i < y.data.size(); ++i)
      y.data[i] *= scales[i / width] * (in[1]->data[i % width] + offset);
    made.push_back(std::move(y));
  }
  return made;
}

std::vector<std::vector<Tensor>> CutRmsNormBackward(
    const Node& node, const std::vector<TensorPointers>& ranks,
    const std::vector<Tensor>& gradients) {
  const std::vector<double> scales = Scales(node, ranks);
  const double offset = NumberOf(node, "offset", 0);
  const auto size = static_cast<double>(IntegerOf(node, "size"));
  std::vector<double> dots(scales.size(), 0);
  for (size_t r = 0; r < ranks.size(); ++r) {
    const Tensor& x = *ranks[r][0];
    const int64_t width = x.shape.back();
    for (size_t i = 0; i < x.data.size(); ++i) {
      dots[i / width] += gradients[r].data[i] *
                         (ranks[r][1]->data[i % width] + offset) * x.data[i] *
                         scales[i / width];
    }
  }
  std::vector<std::vector<Tensor>> made;
  for (size_t r = 0; r < ranks.size(); ++r) {
    const Tensor& x = *ranks[r][0];
    const Tensor& weight = *ranks[r][1];
    const int64_t width = x.shape.back();
    Tensor dx = Zeros(x.shape);
    Tensor dw = Zeros(weight.shape);
    for (size_t i = 0; i < x.data.size(); ++i) {
      const double normal = x.data[i] * scales[i / width];
      const double g = gradients[r].data[i];
      dw.data[i % width] += g * normal;
      dx.data[i] = scales[i / width] * (g * (weight.data[i % width] + offset) -
                                        normal * dots[i / width] / size);
    }
    made.push_back({std::move(dx), std::move(dw)});
  }
  return made;
}

}  // namespace autotp::testing
