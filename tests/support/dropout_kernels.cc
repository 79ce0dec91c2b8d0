#include "tests/support/dropout_kernels.h"

#include "proto/support/check.h"

namespace autotp::testing {

using program::Node;

namespace {

// Positions of the cut dimension in the whole value; empty: it is not cut.
std::vector<int64_t> Positions(const Node& node) {
  if (node.attributes.find("intervals") == node.attributes.end()) return {};
  const auto own = program::Decode(IntegersOf(node, "intervals"));
  AUTOTP_CHECK(own.ok(), own.status().ToString());
  std::vector<int64_t> positions;
  for (const program::Interval& interval : *own)
    for (int64_t at = interval.begin; at < interval.end; ++at)
      positions.push_back(at);
  return positions;
}

double Factor(int64_t stream, uint64_t place, double probability) {
  uint64_t x = place * 0x9E3779B97F4A7C15u + static_cast<uint64_t>(stream + 1);
  for (int round = 0; round < 3; ++round) {
    x = (x ^ (x >> 31)) * 0xBF58476D1CE4E5B9u;
    x ^= x >> 29;
  }
  const double uniform = static_cast<double>(x >> 11) * 0x1p-53;
  return uniform < probability ? 0 : 1 / (1 - probability);
}

}  // namespace

Tensor Dropout(const Node& node, const Tensor& x) {
  const std::vector<int64_t> positions = Positions(node);
  const int64_t dim = IntegerOf(node, "dim", -1);
  Tensor y = x;
  std::vector<int64_t> at(x.shape.size(), 0);
  for (double& number : y.data) {
    uint64_t place = 0;
    for (size_t d = 0; d < at.size(); ++d) {
      const bool is_cut = static_cast<int64_t>(d) == dim;
      place = place * (is_cut ? IntegerOf(node, "size") : x.shape[d]) +
              (is_cut ? positions[at[d]] : at[d]);
    }
    number *=
        Factor(IntegerOf(node, "stream"), place, NumberOf(node, "probability"));
    for (size_t d = at.size(); d-- > 0;) {
      if (++at[d] < x.shape[d]) break;
      at[d] = 0;
    }
  }
  return y;
}

std::vector<double> SoftmaxFactors(const Node& node, int64_t b, int64_t heads,
                                   int64_t tokens, int64_t keys) {
  const double probability = NumberOf(node, "dropout", 0);
  if (probability == 0) return {};
  const std::vector<int64_t> positions = Positions(node);
  const int64_t whole = IntegerOf(node, "size", heads);
  std::vector<double> factors;
  for (int64_t h = 0; h < heads; ++h) {
    const int64_t head = b * whole + (positions.empty() ? h : positions[h]);
    for (int64_t i = 0; i < tokens * keys; ++i)
      factors.push_back(Factor(IntegerOf(node, "stream"),
                               head * tokens * keys + i, probability));
  }
  return factors;
}

}  // namespace autotp::testing
