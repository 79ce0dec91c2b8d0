#include "coordinator/plan/weight_role.h"

#include <map>
#include <set>

namespace autotp::plan {
namespace {

using program::Node;
using program::Operation;
using program::ValueId;

// Values that are logits, or become them number by number.
std::set<ValueId> Logits(const program::Program& program) {
  std::set<ValueId> logits;
  for (auto node = program.nodes.rbegin(); node != program.nodes.rend();
       ++node) {
    const bool passes_on = node->operation == Operation::kCrossEntropy ||
                           ((node->operation == Operation::kScale ||
                             node->operation == Operation::kActivation) &&
                            logits.count(node->outputs[0]) > 0);
    if (passes_on) logits.insert(node->inputs[0]);
  }
  return logits;
}

}  // namespace

std::vector<WeightRole> WeightRoles(const program::Program& program) {
  std::vector<WeightRole> roles(program.parameters.size());
  std::map<ValueId, int> parameter_of;
  for (size_t i = 0; i < program.parameters.size(); ++i) {
    parameter_of[program.parameters[i].value] = static_cast<int>(i);
  }
  const auto find = [&parameter_of](ValueId value) {
    const auto found = parameter_of.find(value);
    return found == parameter_of.end() ? -1 : found->second;
  };
  // Behind x, weights and choices: gates, ups, downs.
  constexpr size_t kFirstOfExperts = 3;
  const std::set<ValueId> logits = Logits(program);
  for (const Node& node : program.nodes) {
    if (node.operation == Operation::kEmbedding) {
      if (const int table = find(node.inputs[0]); table >= 0) {
        roles[table].is_embedding = true;
      }
    } else if (node.operation == Operation::kLinear) {
      const int weight = find(node.inputs[1]);
      if (weight < 0) continue;
      roles[weight].is_linear = true;
      roles[weight].is_transposed = FlagOf(node, "transposed", false);
      if (logits.count(node.outputs[0]) > 0) roles[weight].is_head = true;
      const int bias = node.inputs.size() > 2 ? find(node.inputs[2]) : -1;
      if (bias >= 0) roles[bias].weight_of_bias = weight;
    } else if (node.operation == Operation::kExperts) {
      for (size_t i = kFirstOfExperts; i < node.inputs.size(); ++i) {
        if (const int weight = find(node.inputs[i]); weight >= 0)
          roles[weight].is_linear = true;
      }
    }
  }
  for (WeightRole& role : roles) {
    role.is_vector =
        !role.is_linear && !role.is_embedding && role.weight_of_bias < 0;
  }
  return roles;
}

}  // namespace autotp::plan
