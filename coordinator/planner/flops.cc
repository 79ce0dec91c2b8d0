#include "coordinator/planner/flops.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace autotp::planner {

using program::Node;
using program::Operation;
using program::Program;

namespace {

int64_t Elements(const std::vector<int64_t>& shape) {
  int64_t elements = 1;
  for (const int64_t size : shape) elements *= size;
  return elements;
}

// Keys that a query sees, summed over the queries of one sequence.
double VisibleKeys(const Node& node, int64_t queries, int64_t keys) {
  const auto t = static_cast<double>(queries);
  const auto window =
      static_cast<double>(program::IntegerOf(node, "window", 0));
  const double w = window > 0 ? std::min(window, t) : t;
  const double before = w * (w + 1) / 2 + (t - w) * w;
  if (program::FlagOf(node, "causal", true)) return before;
  return window > 0 ? 2 * before - t : t * static_cast<double>(keys);
}

}  // namespace

double ForwardFlops(const Program& program, const Node& node, bool wanted) {
  const auto shape = [&](size_t i) -> const std::vector<int64_t>& {
    return program.values[node.inputs[i]].shape;
  };
  switch (node.operation) {
    case Operation::kLinear:
      if (!wanted) return 0;  // keeps its input
      return 2.0 * static_cast<double>(Elements(shape(0))) *
             static_cast<double>(program.values[node.outputs[0]].shape.back());
    case Operation::kAttention: {
      const std::vector<int64_t>& q = shape(0);
      const double keys = VisibleKeys(node, q[2], shape(1)[2]);
      return 2.0 * keys *
             static_cast<double>(q[0] * q[1] * (q[3] + shape(2)[3]));
    }
    case Operation::kExperts:
      // Three matrices of one expert for each choice; two make what is kept.
      return (wanted ? 6.0 : 4.0) * static_cast<double>(Elements(shape(1))) *
             static_cast<double>(Elements(shape(3)));
    default:
      return 0;
  }
}

// The backward does each product twice: for the input and for the weight.
double MicroStepFlops(const Program& program) {
  double flops = 0;
  for (const Node& node : program.nodes) flops += ForwardFlops(program, node);
  return 3 * flops;
}

}  // namespace autotp::planner
