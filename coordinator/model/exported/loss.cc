// The loss of a language model: cross-entropy with the next token, or with the
// label of the same place.
#include "coordinator/model/exported/raise.h"

namespace autotp::model {

using program::kNoValue;
using program::Node;
using program::Operation;
using program::ValueId;

namespace {

using Shape = std::vector<int64_t>;

constexpr int64_t kIgnored = -100;

ValueId Unflattened(const Rewriter& to, ValueId v) {
  for (;;) {
    v = to.WithoutCasts(v);
    const Node* reshape = to.Producer(v, Operation::kReshape);
    if (reshape == nullptr) return v;
    v = reshape->inputs[0];
  }
}

// Labels of labels moved one to the left: slice(pad(labels), 1, T + 1).
ValueId Unshifted(const Rewriter& to, ValueId v) {
  const Node* slice = to.Producer(v, Operation::kSlice);
  if (slice == nullptr || IntegerOf(*slice, "dim") != 1 ||
      IntegerOf(*slice, "begin") != 1)
    return kNoValue;
  const Node* pad = to.Producer(slice->inputs[0], "aten.pad.default");
  if (pad == nullptr)
    pad = to.Producer(slice->inputs[0], "aten.constant_pad_nd.default");
  if (pad == nullptr || AtenNumber(*pad, "value", 0) != kIgnored)
    return kNoValue;
  const auto sizes = pad->attributes.find("pad");
  if (sizes == pad->attributes.end() ||
      sizes->second != program::Attribute(Shape{0, 1}))
    return kNoValue;
  const ValueId labels = pad->inputs[0];
  return to.ShapeOf(labels) == to.ShapeOf(v) ? labels : kNoValue;
}

// Slice [begin, size - 1 + begin) of dimension 1, whose input it gives.
ValueId AllButOne(const Rewriter& to, ValueId v, int64_t begin) {
  const Node* slice = to.Producer(v, Operation::kSlice);
  if (slice == nullptr || IntegerOf(*slice, "dim") != 1 ||
      IntegerOf(*slice, "begin") != begin)
    return kNoValue;
  const ValueId x = slice->inputs[0];
  return IntegerOf(*slice, "end") == to.ShapeOf(x)[1] - 1 + begin ? x
                                                                  : kNoValue;
}

// Of rows, or of a sequence's tokens where both come from such.
ValueId OfOwnLabels(Rewriter& to, ValueId logits, ValueId labels) {
  const Shape rows = to.ShapeOf(logits);
  if (rows.size() != 2 || to.ShapeOf(labels) != Shape{rows[0]}) return kNoValue;
  logits = Unflattened(to, logits);
  labels = Unflattened(to, labels);
  const Shape tokens = to.ShapeOf(labels);
  if (tokens.size() != 2 ||
      to.ShapeOf(logits) != Shape{tokens[0], tokens[1], rows[1]}) {
    logits = to.Reshape(logits, {rows[0], 1, rows[1]});
    labels = to.Reshape(labels, {rows[0], 1});
  }
  if (logits == kNoValue || labels == kNoValue) return kNoValue;
  return to.Make(Operation::kCrossEntropy, {logits, labels},
                 {{"shift", false}});
}

}  // namespace

std::vector<ValueId> RaiseLoss(Rewriter& to, const Raised& node) {
  if (node.name() != "aten.cross_entropy_loss.default" || node.in.size() < 2 ||
      (node.in.size() > 2 && node.in[2] != kNoValue) ||
      node.Integer("reduction", 1) != 1 ||
      node.Integer("ignore_index", kIgnored) != kIgnored ||
      node.Number("label_smoothing", 0) != 0)
    return {};
  const ValueId logits = Unflattened(to, node.in[0]);
  const ValueId targets = Unflattened(to, node.in[1]);
  if (to.ShapeOf(logits).empty() || to.ShapeOf(node.in[0]).empty() ||
      to.ShapeOf(logits).back() != to.ShapeOf(node.in[0]).back())
    return {};
  const ValueId labels = Unshifted(to, targets);
  if (labels != kNoValue)
    return {to.Make(Operation::kCrossEntropy, {logits, labels})};
  // Older classes leave the last logits and the first labels out.
  const ValueId all_logits = AllButOne(to, logits, 0);
  const ValueId all_labels = AllButOne(to, targets, 1);
  if (all_logits != kNoValue && all_labels != kNoValue)
    return {to.Make(Operation::kCrossEntropy,
                    {to.WithoutCasts(all_logits), all_labels})};
  return {OfOwnLabels(to, node.in[0], node.in[1])};
}

}  // namespace autotp::model
