#include "coordinator/partition/recompute.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

namespace autotp::partition {

using program::kNoValue;
using program::Node;
using program::Operation;
using program::Program;
using program::ValueId;

namespace {

// Worth its bytes: FLOPs that a dropped number may cost.
constexpr double kMostFlops = 16;

bool Has(const Node& node, absl::string_view attribute) {
  return node.attributes.find(attribute) != node.attributes.end();
}

// Does its forward exchange something between ranks?
bool Communicates(const Node& node) {
  switch (node.operation) {
    case Operation::kAllReduce:
    case Operation::kAllGather:
    case Operation::kReduceScatter:
      return true;
    case Operation::kRmsNorm:
      return Has(node, "size");
    case Operation::kCrossEntropy:
      return Has(node, "row_end");
    default:
      return false;
  }
}

// "model.layers.3" of "model.layers.3.mlp"; empty: it is in no block.
absl::string_view BlockOf(absl::string_view scope) {
  size_t begin = 0;
  while (begin < scope.size()) {
    const size_t end = std::min(scope.find('.', begin), scope.size());
    const absl::string_view part = scope.substr(begin, end - begin);
    if (!part.empty() &&
        std::all_of(part.begin(), part.end(), absl::ascii_isdigit))
      return scope.substr(0, end);
    begin = end + 1;
  }
  return "";
}

// A block's nodes are neighbours, but for those of other blocks' making.
void AssignBlocks(Program* local) {
  std::map<absl::string_view, int> regions;
  absl::string_view current;
  for (Node& node : local->nodes) {
    const absl::string_view block = BlockOf(node.scope);
    if (block.empty() || Communicates(node)) continue;
    const auto [found, is_new] =
        regions.emplace(block, static_cast<int>(regions.size()) + 1);
    if (is_new) current = block;
    // A node that comes back to a block that others followed stays outside.
    if (block == current) node.recompute_region = found->second;
  }
}

// FLOPs for a number of the result of an operation that keeps its inputs for
// its own backward; negative: of another.
double FlopsPerNumber(const Node& node) {
  switch (node.operation) {
    case Operation::kRmsNorm:
      return 4;
    case Operation::kLayerNorm:
      return 8;
    case Operation::kActivation:
      return Has(node, "limit") ? -1 : 12;
    case Operation::kGatedActivation:
      return 13;
    case Operation::kMul:
      return 1;
    default:
      return -1;
  }
}

// The same numbers in the same memory.
bool IsView(const Node& node) {
  return node.operation == Operation::kReshape ||
         node.operation == Operation::kTranspose ||
         node.operation == Operation::kSlice ||
         node.operation == Operation::kCopy;
}

// Its backward reads nothing of what it got.
bool KeepsNothing(const Node& node) {
  return IsView(node) || Communicates(node) ||
         node.operation == Operation::kAdd ||
         node.operation == Operation::kScale ||
         node.operation == Operation::kDropout;
}

class Selection {
 public:
  explicit Selection(Program* local)
      : local_(*local), readers_(local->values.size()) {
    for (int n = 0; n < static_cast<int>(local_.nodes.size()); ++n)
      for (const ValueId v : local_.nodes[n].inputs)
        if (v != kNoValue) readers_[v].push_back(n);
  }

  void Run() {
    int last = -1;  // regions don't reach into each other
    for (int n = 0; n < static_cast<int>(local_.nodes.size()); ++n) {
      const Node& node = local_.nodes[n];
      const double flops = FlopsPerNumber(node);
      if (n <= last || flops < 0 || flops > kMostFlops || Communicates(node) ||
          BlockOf(node.scope).empty())
        continue;
      std::vector<int> members = {n};
      bool any = false;
      if (!Follow(node.outputs[0], &members, &any) || !any) continue;
      ++regions_;
      for (const int member : members) {
        local_.nodes[member].recompute_region = regions_;
        last = std::max(last, member);
      }
    }
  }

 private:
  // Adds who keeps `v`, through views; false if it is not linears alone.
  bool Follow(ValueId v, std::vector<int>* members, bool* any) const {
    for (const int n : readers_[v]) {
      const Node& reader = local_.nodes[n];
      if (reader.operation == Operation::kLinear && reader.inputs[1] != v) {
        members->push_back(n);
        *any = true;
      } else if (IsView(reader)) {
        members->push_back(n);
        if (!Follow(reader.outputs[0], members, any)) return false;
      } else if (!KeepsNothing(reader)) {
        return false;
      }
    }
    return true;
  }

  Program& local_;
  std::vector<std::vector<int>> readers_;  // [value]
  int regions_ = 0;
};

}  // namespace

void AssignRecomputation(v1::Recomputation recomputation, Program* local) {
  for (Node& node : local->nodes) node.recompute_region = 0;
  if (recomputation == v1::RECOMPUTATION_BLOCK) AssignBlocks(local);
  if (recomputation == v1::RECOMPUTATION_SELECTIVE) Selection(local).Run();
}

}  // namespace autotp::partition
