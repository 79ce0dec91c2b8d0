#include "coordinator/partition/gradient_modes.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace autotp::partition {

using program::Operation;

namespace {

class Modes {
 public:
  explicit Modes(SpmdProgram* spmd)
      : spmd_(*spmd),
        producer_(spmd->values.size(), -1),
        users_(spmd->values.size()),
        is_parameter_(spmd->values.size(), false),
        replicated_(spmd->nodes.size(), false),
        local_(spmd->nodes.size(), false) {
    for (const SpmdParameter& parameter : spmd_.parameters)
      is_parameter_[parameter.value] = true;
    for (size_t n = 0; n < spmd_.nodes.size(); ++n) {
      const SpmdNode& node = spmd_.nodes[n];
      const auto whole = [this](int v) {
        return v < 0 || spmd_.values[v].spread == Spread::kWhole;
      };
      replicated_[n] =
          std::all_of(node.inputs.begin(), node.inputs.end(), whole) &&
          std::all_of(node.outputs.begin(), node.outputs.end(), whole);
      for (int v : node.inputs)
        if (v >= 0) users_[v].push_back(static_cast<int>(n));
      for (int v : node.outputs) producer_[v] = static_cast<int>(n);
    }
  }

  void Run() {
    FindLocalNodes();
    SumInGathers();
    for (SpmdParameter& parameter : spmd_.parameters) {
      parameter.partial_gradient =
          spmd_.values[parameter.value].spread == Spread::kWhole &&
          spmd_.values[parameter.value].needs_gradient &&
          AllUsesLocal(parameter.value);
    }
    InsertCopies();
  }

 private:
  bool IsLocalUse(int node) const { return !replicated_[node] || local_[node]; }

  bool AllUsesLocal(int v) const {
    return v != spmd_.loss && !users_[v].empty() &&
           std::all_of(users_[v].begin(), users_[v].end(),
                       [this](int node) { return IsLocalUse(node); });
  }

  bool IsGathered(int v) const {
    return producer_[v] >= 0 &&
           spmd_.nodes[producer_[v]].operation == Operation::kAllGather;
  }

  // A copy of it exists in any case.
  bool EntersCutComputation(int v) const {
    return std::any_of(users_[v].begin(), users_[v].end(),
                       [this](int node) { return !replicated_[node]; });
  }

  bool MayBeLocal(int n) const {
    for (int v : spmd_.nodes[n].outputs)
      if (spmd_.values[v].needs_gradient && !AllUsesLocal(v)) return false;
    for (int v : spmd_.nodes[n].inputs) {
      if (v < 0 || !spmd_.values[v].needs_gradient) continue;
      const bool sums_itself = is_parameter_[v] || IsGathered(v);
      if (sums_itself && AllUsesLocal(v)) continue;
      if (!is_parameter_[v] && EntersCutComputation(v)) continue;
      if (producer_[v] >= 0 && local_[producer_[v]]) continue;
      return false;
    }
    return true;
  }

  // The largest set of replicated nodes that may run local together.
  void FindLocalNodes() {
    const int count = static_cast<int>(spmd_.nodes.size());
    for (int n = 0; n < count; ++n) local_[n] = replicated_[n];
    for (bool changed = true; changed;) {
      changed = false;
      const auto settle = [&](int n) {
        if (!local_[n] || MayBeLocal(n)) return;
        local_[n] = false;
        changed = true;
      };
      for (int n = 0; n < count; ++n) settle(n);
      for (int n = count - 1; n >= 0; --n) settle(n);
    }
  }

  // A gather in the forward may be a reduce-scatter in the backward.
  void SumInGathers() {
    for (SpmdNode& node : spmd_.nodes) {
      if (node.operation == Operation::kAllGather &&
          spmd_.values[node.outputs[0]].needs_gradient &&
          AllUsesLocal(node.outputs[0]))
        node.attributes["summed"] = true;
    }
  }

  bool NeedsCopy(int v) const {
    const SpmdValue& value = spmd_.values[v];
    if (value.spread != Spread::kWhole || !value.needs_gradient) return false;
    if (IsGathered(v) && AllUsesLocal(v)) return false;
    if (producer_[v] >= 0 && local_[producer_[v]]) return false;
    if (is_parameter_[v] && AllUsesLocal(v)) return false;
    return std::any_of(users_[v].begin(), users_[v].end(),
                       [this](int node) { return IsLocalUse(node); });
  }

  SpmdNode CopyOf(int v, const std::string& scope) {
    SpmdValue value = spmd_.values[v];
    absl::StrAppend(&value.name, ".copy");
    SpmdNode copy;
    copy.operation = Operation::kCopy;
    copy.inputs = {v};
    copy.outputs = {static_cast<int>(spmd_.values.size())};
    copy.scope = scope;
    copy.reason = "a whole value enters cut computation";
    spmd_.values.push_back(std::move(value));
    return copy;
  }

  void InsertCopies() {
    std::vector<int> copied(spmd_.values.size(), -1);
    std::vector<SpmdNode> nodes;
    nodes.reserve(spmd_.nodes.size());
    const int known = static_cast<int>(copied.size());
    for (size_t n = 0; n < spmd_.nodes.size(); ++n) {
      SpmdNode& node = spmd_.nodes[n];
      if (IsLocalUse(static_cast<int>(n))) {
        for (int& v : node.inputs) {
          if (v < 0 || !NeedsCopy(v)) continue;
          if (copied[v] < 0) {  // a parameter: it has no node to follow
            nodes.push_back(CopyOf(v, node.scope));
            copied[v] = nodes.back().outputs[0];
          }
          v = copied[v];
        }
      }
      const std::vector<int> outputs = node.outputs;
      const std::string scope = node.scope;
      nodes.push_back(std::move(node));
      for (int v : outputs) {
        if (v >= known || !NeedsCopy(v)) continue;
        nodes.push_back(CopyOf(v, scope));
        copied[v] = nodes.back().outputs[0];
      }
    }
    spmd_.nodes = std::move(nodes);
  }

  SpmdProgram& spmd_;
  std::vector<int> producer_;
  std::vector<std::vector<int>> users_;  // [value], by node
  std::vector<bool> is_parameter_;
  std::vector<bool> replicated_;  // only whole values in and out
  std::vector<bool> local_;       // replicated, with local gradients
};

}  // namespace

void PlaceCopies(SpmdProgram* spmd) { Modes(spmd).Run(); }

}  // namespace autotp::partition
