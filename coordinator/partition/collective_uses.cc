#include "coordinator/partition/collective_uses.h"

#include <algorithm>
#include <utility>

#include "coordinator/program/shape_rules.h"

namespace autotp::partition {

using program::ElementCount;
using program::Operation;

namespace {

constexpr int64_t kNumbersPerTokenOfLoss = 3;
// The maxima first; then sums and targets.
constexpr int64_t kExchangesOfLoss = 2;

class UseFinder {
 public:
  explicit UseFinder(const SpmdProgram& spmd)
      : spmd_(spmd),
        producers_(spmd.values.size(), nullptr),
        users_(spmd.values.size()),
        parameter_of_(spmd.values.size(), -1) {
    for (const SpmdParameter& parameter : spmd_.parameters)
      parameter_of_[parameter.value] = parameter.source;
    for (const SpmdNode& node : spmd_.nodes) {
      for (int v : node.outputs) producers_[v] = &node;
      for (int v : node.inputs)
        if (v >= 0) users_[v].push_back(&node);
    }
  }

  std::vector<CollectiveUse> Run() && {
    for (const SpmdNode& node : spmd_.nodes) Add(node);
    return std::move(uses_);
  }

 private:
  std::vector<int> ParametersOf(const SpmdNode& node) const {
    std::vector<int> found;
    for (int v : node.inputs)
      if (v >= 0 && parameter_of_[v] >= 0) found.push_back(parameter_of_[v]);
    return found;
  }

  // The weights that made `value`: those of the nearest node that has any.
  std::vector<int> WeightsBehind(int value) const {
    if (parameter_of_[value] >= 0) return {parameter_of_[value]};
    while (producers_[value] != nullptr) {
      const SpmdNode& node = *producers_[value];
      std::vector<int> found = ParametersOf(node);
      if (!found.empty()) return found;
      if (node.inputs.empty() || node.inputs[0] < 0) return {};
      value = node.inputs[0];
    }
    return {};
  }

  std::vector<int> WeightsThatRead(int value) const {
    std::vector<int> found;
    for (const SpmdNode* user : users_[value]) {
      const std::vector<int> own = ParametersOf(*user);
      found.insert(found.end(), own.begin(), own.end());
    }
    return found;
  }

  // Ranks travel at the length of the longest.
  int64_t GatheredElements(const SpmdValue& value) const {
    int64_t longest = 0;
    for (int rank = 0; rank < spmd_.ranks; ++rank)
      longest = std::max(longest, value.LocalLength(rank));
    std::vector<int64_t> shape = value.shape;
    shape[value.dim] = longest * spmd_.ranks;
    return ElementCount(shape);
  }

  void Add(const SpmdNode& node) {
    CollectiveUse use;
    use.operation = node.operation;
    use.scope = node.scope;
    use.reason = node.reason;
    switch (node.operation) {
      case Operation::kCopy:
        use.backward = true;
        use.elements = ElementCount(spmd_.values[node.inputs[0]].shape);
        use.parameters = WeightsThatRead(node.outputs[0]);
        break;
      case Operation::kAllReduce:
        use.elements = ElementCount(spmd_.values[node.inputs[0]].shape);
        use.parameters = WeightsBehind(node.inputs[0]);
        break;
      case Operation::kAllGather:
        use.elements = GatheredElements(spmd_.values[node.inputs[0]]);
        use.parameters = WeightsBehind(node.inputs[0]);
        if (node.attributes.contains("summed")) {
          uses_.push_back(use);
          use.operation = Operation::kReduceScatter;
          use.reason.clear();
          use.backward = true;
          use.parameters = WeightsThatRead(node.outputs[0]);
        }
        break;
      case Operation::kReduceScatter:
        use.elements = GatheredElements(spmd_.values[node.outputs[0]]);
        use.parameters = WeightsBehind(node.inputs[0]);
        uses_.push_back(use);
        use.operation = Operation::kAllGather;
        use.reason.clear();
        use.backward = true;
        break;
      case Operation::kCrossEntropy:
        if (node.range.empty()) return;
        use.elements = kNumbersPerTokenOfLoss *
                       ElementCount(spmd_.values[node.inputs[1]].shape);
        use.calls = kExchangesOfLoss;
        use.parameters = WeightsBehind(node.inputs[0]);
        break;
      case Operation::kRmsNorm: {
        if (!node.attributes.contains("size")) return;
        // One number a row, forward and backward.
        const std::vector<int64_t>& x = spmd_.values[node.inputs[0]].shape;
        use.elements = ElementCount(x) / x.back();
        uses_.push_back(use);
        use.backward = true;
        break;
      }
      default:
        return;
    }
    uses_.push_back(std::move(use));
  }

  const SpmdProgram& spmd_;
  std::vector<const SpmdNode*> producers_;           // [value]
  std::vector<std::vector<const SpmdNode*>> users_;  // [value]
  std::vector<int> parameter_of_;                    // [value]; -1: none
  std::vector<CollectiveUse> uses_;
};

}  // namespace

std::vector<CollectiveUse> CollectiveUses(const SpmdProgram& spmd) {
  return UseFinder(spmd).Run();
}

}  // namespace autotp::partition
