// Operations between a reshape that merges leading dimensions and one that
// takes them apart again: batched products of heads, norms of rows.
#include <algorithm>
#include <string>
#include <utility>

#include "coordinator/model/exported/raise.h"

namespace autotp::model {

using program::Attributes;
using program::kNoValue;
using program::Node;
using program::Operation;
using program::Value;
using program::ValueId;

namespace {

using Shape = std::vector<int64_t>;

// Rows of tokens are no heads: what is flattened has this many dimensions.
constexpr size_t kLeastRank = 4;

// Positions of the last dimensions depend on nothing but their own row.
constexpr absl::string_view kByPosition[] = {
    "aten._to_copy.default", "aten.abs.default",      "aten.add.Scalar",
    "aten.add.Tensor",       "aten.clamp.default",    "aten.div.Scalar",
    "aten.div.Tensor",       "aten.exp.default",      "aten.max.other",
    "aten.maximum.default",  "aten.min.other",        "aten.minimum.default",
    "aten.mul.Tensor",       "aten.neg.default",      "aten.pow.Tensor_Scalar",
    "aten.rsqrt.default",    "aten.rsub.Scalar",      "aten.sigmoid.default",
    "aten.silu.default",     "aten.softplus.default", "aten.sqrt.default",
    "aten.sub.Scalar",       "aten.sub.Tensor",       "aten.tanh.default",
    "aten.where.self"};

// The same, with dimensions in "dim".
constexpr absl::string_view kByRow[] = {
    "aten.softmax.int",   "aten._softmax.default", "aten.log_softmax.int",
    "aten.mean.dim",      "aten.sum.dim_IntList",  "aten.amax.default",
    "aten.cumsum.default"};

template <size_t N>
bool IsIn(absl::string_view name, const absl::string_view (&names)[N]) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// The dimensions that are one in `v`; none where it was not made so.
Shape MergedIn(const Rewriter& to, ValueId v) {
  const Node* reshape = to.Producer(v, Operation::kReshape);
  if (reshape == nullptr) return {};
  const Shape& from = to.ShapeOf(reshape->inputs[0]);
  const Shape& merged = to.ShapeOf(v);
  if (from.size() < kLeastRank || merged.size() < 2 ||
      merged.size() >= from.size())
    return {};
  const size_t lead = from.size() - merged.size() + 1;
  if (!std::equal(from.begin() + static_cast<int64_t>(lead), from.end(),
                  merged.begin() + 1))
    return {};
  return Shape(from.begin(), from.begin() + static_cast<int64_t>(lead));
}

class Apart {
 public:
  Apart(Rewriter& to, const Node& node, Shape lead)
      : to_(to), node_(node), lead_(std::move(lead)) {}

  ValueId Run(const Value& merged) {
    std::vector<ValueId> inputs;
    for (ValueId input : node_.inputs) {
      inputs.push_back(Input(input, merged.shape.size()));
      if (inputs.back() == kNoValue) return kNoValue;
    }
    Attributes attributes = node_.attributes;
    switch (node_.operation) {
      case Operation::kAdd:
      case Operation::kMul:
      case Operation::kScale:
      case Operation::kActivation:
      case Operation::kGatedActivation:
      case Operation::kRmsNorm:
      case Operation::kLayerNorm:
        break;
      case Operation::kTranspose:
        if (!Move("a", &attributes) || !Move("b", &attributes)) return kNoValue;
        break;
      case Operation::kSlice:
        if (!Move("dim", &attributes)) return kNoValue;
        break;
      case Operation::kAten:
        return MakeAten(merged, std::move(inputs), std::move(attributes));
      default:
        return kNoValue;
    }
    return to_.Make(node_.operation, std::move(inputs), std::move(attributes));
  }

 private:
  int64_t Added() const { return static_cast<int64_t>(lead_.size()) - 1; }

  // With the leading dimensions apart, or without any.
  ValueId Input(ValueId v, size_t rank) const {
    if (v == kNoValue) return v;
    if (MergedIn(to_, v) == lead_)
      return to_.Producer(v, Operation::kReshape)->inputs[0];
    Shape shape = to_.ShapeOf(v);
    if (shape.size() < rank) return v;
    if (shape.size() > rank || shape[0] != 1) return kNoValue;
    shape.insert(shape.begin(), Added(), 1);
    return to_.Reshape(v, std::move(shape));
  }

  // A dimension, from the front; not the merged one.
  bool Move(absl::string_view name, Attributes* attributes) const {
    const int64_t dim = IntegerOf(node_, name);
    if (dim < 1) return false;
    (*attributes)[std::string(name)] = dim + Added();
    return true;
  }

  ValueId MakeAten(const Value& merged, std::vector<ValueId> inputs,
                   Attributes attributes) const {
    Value value = merged;
    value.shape.erase(value.shape.begin());
    value.shape.insert(value.shape.begin(), lead_.begin(), lead_.end());
    std::string aten = node_.aten;
    if (aten == "aten.bmm.default") {
      aten = "aten.matmul.default";
    } else if (IsIn(aten, kByRow)) {
      const auto rank = static_cast<int64_t>(merged.shape.size());
      Shape dims = AtenIntegers(node_, "dim");
      if (dims.empty()) return kNoValue;
      for (int64_t& dim : dims) {
        if (dim >= rank || (dim < 0 ? dim + rank : dim) < 1) return kNoValue;
        if (dim >= 0) dim += Added();
      }
      if (std::holds_alternative<int64_t>(attributes["dim"]))
        attributes["dim"] = dims[0];
      else
        attributes["dim"] = std::move(dims);
    } else if (!IsIn(aten, kByPosition)) {
      return kNoValue;
    }
    return to_.MakeAten(aten, std::move(inputs), std::move(value),
                        std::move(attributes));
  }

  Rewriter& to_;
  const Node node_;  // a copy: the program grows
  const Shape lead_;
};

}  // namespace

ValueId ApartFromMerge(Rewriter& to, ValueId v) {
  const Node* node = to.Producer(v);
  if (node == nullptr || node->outputs.size() != 1) return v;
  const Value merged = to.ValueOf(v);
  Shape lead;
  for (ValueId input : node->inputs) {
    if (input != kNoValue && lead.empty()) lead = MergedIn(to, input);
  }
  int64_t product = 1;
  for (int64_t size : lead) product *= size;
  if (lead.empty() || merged.shape.size() < 2 || merged.shape[0] != product)
    return v;
  const ValueId apart = Apart(to, *node, std::move(lead)).Run(merged);
  return apart == kNoValue ? v : apart;
}

}  // namespace autotp::model
