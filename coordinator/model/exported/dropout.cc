// Dropout: ours, whose numbers are a function of the sequence's place in the
// data and of the position in the whole value, so that ranks draw alike.
#include <algorithm>
#include <utility>

#include "coordinator/model/exported/raise.h"

namespace autotp::model {

using program::kNoValue;
using program::Operation;
using program::ValueId;

namespace {

using Shape = std::vector<int64_t>;

// How many sequences a micro-batch has.
int64_t SequencesOf(const program::Program& source) {
  if (source.inputs.empty()) return 1;
  const Shape& shape = source.values[source.inputs[0]].shape;
  return shape.empty() ? 1 : shape[0];
}

}  // namespace

ValueId Drop(Rewriter& to, ValueId x, double probability, int64_t stream,
             const program::Program& source) {
  const auto drop = [&](ValueId v) {
    return v == kNoValue
               ? v
               : to.Make(Operation::kDropout, {v},
                         {{"probability", probability}, {"stream", stream}});
  };
  const int64_t sequences = SequencesOf(source);
  const Shape shape = to.ShapeOf(x);
  const auto at = std::find(shape.begin(), shape.end(), sequences);
  if (shape.size() >= 2 && at != shape.end()) {
    const int64_t dim = at - shape.begin();
    x = drop(to.Transpose(x, 0, dim));
    return x == kNoValue ? x : to.Transpose(x, 0, dim);
  }
  // Rows of all sequences, one sequence after the other; else there are none.
  Shape rows = shape;
  if (!shape.empty() && sequences > 0 && shape[0] % sequences == 0) {
    rows[0] /= sequences;
    rows.insert(rows.begin(), sequences);
  } else {
    rows.insert(rows.begin(), std::max<size_t>(1, 2 - shape.size()), 1);
  }
  x = drop(to.Reshape(x, std::move(rows)));
  return x == kNoValue ? x : to.Reshape(x, shape);
}

std::vector<ValueId> RaiseDropout(Rewriter& to, const Raised& node) {
  if (node.name() != "aten.dropout.default") return {};
  const double probability = node.Number("p", 0.5);
  if (probability == 0 || !node.Flag("train", true)) return {node.in[0]};
  return {Drop(to, node.in[0], probability, to.NextStream(), node.source)};
}

}  // namespace autotp::model
