#include "coordinator/model/exported/raise.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace autotp::model {

using program::Attribute;
using program::kNoValue;
using program::Node;
using program::Operation;
using program::Program;
using program::ValueId;

namespace {

const Attribute* Find(const Node& node, absl::string_view name) {
  const auto found = node.attributes.find(name);
  return found == node.attributes.end() ? nullptr : &found->second;
}

// No rank may draw numbers of its own.
bool IsDropout(const Node& node) {
  return node.aten == "aten.dropout.default" ||
         AtenNumber(node, "dropout_p", 0) != 0;
}

// How many of its inputs have to be there for the raisers to look at a node.
size_t NeededInputs(const Node& node) {
  constexpr std::pair<absl::string_view, size_t> kNeeded[] = {
      {"aten.linear.default", 2},
      {"aten.addmm.default", 3},
      {"aten.mm.default", 2},
      {"aten.matmul.default", 2},
      {"aten.embedding.default", 2},
      {"aten.baddbmm.default", 3},
      {"aten.add.Tensor", 2},
      {"aten.mul.Tensor", 2},
      {"aten.scaled_dot_product_attention.default", 3},
      {"aten.cross_entropy_loss.default", 2}};
  for (const auto& [name, count] : kNeeded)
    if (node.aten == name) return count;
  for (absl::string_view all :
       {"aten.cat.default", "aten.concat.default", "aten.concatenate.default",
        "aten.stack.default", "aten.broadcast_tensors.default"})
    if (node.aten == all) return node.inputs.size();
  return 1;
}

bool HasNeeded(const Raised& raised) {
  const size_t needed = NeededInputs(raised.node);
  return raised.in.size() >= std::max<size_t>(needed, 1) &&
         std::find(raised.in.begin(), raised.in.begin() + needed, kNoValue) ==
             raised.in.begin() + needed;
}

ValueId Better(Rewriter& to, ValueId v) {
  if (const ValueId apart = ApartFromMerge(to, v); apart != v)
    return to.Reshape(Better(to, apart), to.ShapeOf(v));
  for (Pattern* pattern :
       {MatchLayerNorm, MatchRmsNorm, MatchHeadNorms, MatchActivation,
        MatchRotary, MatchAttention, MatchRouterLoss})
    v = pattern(to, v);
  return v;
}

}  // namespace

int64_t AtenInteger(const Node& node, absl::string_view name,
                    int64_t fallback) {
  const Attribute* found = Find(node, name);
  const auto* number = found == nullptr ? nullptr : std::get_if<int64_t>(found);
  return number == nullptr ? fallback : *number;
}

double AtenNumber(const Node& node, absl::string_view name, double fallback) {
  const Attribute* found = Find(node, name);
  if (found == nullptr) return fallback;
  if (const auto* number = std::get_if<double>(found)) return *number;
  if (const auto* number = std::get_if<int64_t>(found))
    return static_cast<double>(*number);
  return fallback;
}

bool AtenFlag(const Node& node, absl::string_view name, bool fallback) {
  const Attribute* found = Find(node, name);
  const auto* flag = found == nullptr ? nullptr : std::get_if<bool>(found);
  return flag == nullptr ? fallback : *flag;
}

std::vector<int64_t> AtenIntegers(const Node& node, absl::string_view name) {
  const Attribute* found = Find(node, name);
  if (found == nullptr) return {};
  if (const auto* list = std::get_if<std::vector<int64_t>>(found)) return *list;
  if (const auto* one = std::get_if<int64_t>(found)) return {*one};
  return {};
}

int64_t Raised::Dim(absl::string_view argument, int64_t fallback,
                    size_t rank) const {
  const int64_t dim = Integer(argument, fallback);
  const auto size = static_cast<int64_t>(rank);
  if (dim < -size || dim >= size) return -1;
  return dim < 0 ? dim + size : dim;
}

absl::StatusOr<Program> Raise(const Program& source) {
  Rewriter to(source);
  for (const Node& node : source.nodes) {
    to.SetScope(node.scope);
    if (node.operation == Operation::kExperts) {
      std::vector<ValueId> inputs;
      for (ValueId input : node.inputs) inputs.push_back(to.Mapped(input));
      const ValueId raised = RaiseExperts(to, node, std::move(inputs));
      if (raised != kNoValue) {
        to.Map(node.outputs[0], raised);
        continue;
      }
    }
    if (node.operation != Operation::kAten) {
      to.Keep(node);
      continue;
    }
    Raised raised{node, source, {}};
    for (ValueId input : node.inputs) raised.in.push_back(to.Mapped(input));
    std::vector<ValueId> values;
    const bool looked_at = HasNeeded(raised);
    for (Raiser* raiser :
         {RaiseStructure, RaiseRepeats, RaiseDropout, RaiseProduct, RaiseNorm,
          RaiseActivation, RaiseAttention, RaiseLoss}) {
      if (looked_at) values = raiser(to, raised);
      if (!values.empty()) break;
    }
    bool fits = values.size() == node.outputs.size();
    for (size_t i = 0; fits && i < values.size(); ++i) {
      fits = values[i] != kNoValue &&
             to.ShapeOf(values[i]) == source.values[node.outputs[i]].shape;
    }
    if (!fits && IsDropout(node)) {
      return absl::InvalidArgumentError(
          absl::StrCat("drops values at random in ", node.scope,
                       " in a way that ranks cannot share"));
    }
    if (!fits) {
      to.Keep(node);
      values.clear();
      for (ValueId output : node.outputs) values.push_back(to.Mapped(output));
    }
    if (values.size() == 1) values[0] = Better(to, values[0]);
    for (size_t i = 0; i < values.size(); ++i)
      to.Map(node.outputs[i], values[i]);
  }
  return SpreadStrides(std::move(to).Finish(source.loss));
}

}  // namespace autotp::model
