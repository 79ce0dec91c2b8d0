// rewriter.h -- a program being written anew, node by node, with what has been
// written so far at hand for patterns.
//
// The raisers (raise.h) look backwards from the last operation of a pattern:
// its inputs are raised already. What a pattern no longer needs stays behind
// and is swept at the end.
#ifndef AUTOTP_COORDINATOR_MODEL_EXPORTED_REWRITER_H_
#define AUTOTP_COORDINATOR_MODEL_EXPORTED_REWRITER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "coordinator/program/program.h"

namespace autotp::model {

class Rewriter {
 public:
  // Starts with the inputs and parameters of `source`, which has to outlive it.
  explicit Rewriter(const program::Program& source);

  // Nodes made from now on stand in this module.
  void SetScope(const std::string& scope) { scope_ = scope; }

  // The value here of one of the source; kNoValue if there is none yet.
  program::ValueId Mapped(program::ValueId source_value) const {
    return source_value < 0 ? program::kNoValue : mapped_[source_value];
  }
  void Map(program::ValueId source_value, program::ValueId value) {
    mapped_[source_value] = value;
  }

  // Does one node of the source read it, and only one?
  bool UsedOnce(program::ValueId source_value) const {
    return uses_[source_value] == 1;
  }

  // What is known of a value here.
  const program::Value& ValueOf(program::ValueId v) const {
    return program_.values[v];
  }
  const std::vector<int64_t>& ShapeOf(program::ValueId v) const {
    return program_.values[v].shape;
  }
  bool IsNumber(program::ValueId v) const;
  bool IsParameter(program::ValueId v) const { return is_parameter_[v]; }
  // The node that makes it; nullptr for inputs and parameters.
  const program::Node* Producer(program::ValueId v) const;
  // The same, if it is that operation; an ATen one with so many inputs, all of
  // them there.
  const program::Node* Producer(program::ValueId v,
                                program::Operation operation) const;
  const program::Node* Producer(program::ValueId v, absl::string_view aten,
                                size_t inputs = 1) const;

  // A node, a new one if the same was not made before. kNoValue if its shapes
  // do not fit: then nothing is made.
  program::ValueId Make(program::Operation operation,
                        std::vector<program::ValueId> inputs,
                        program::Attributes attributes = {});
  std::vector<program::ValueId> MakeAll(program::Operation operation,
                                        std::vector<program::ValueId> inputs,
                                        program::Attributes attributes = {});
  // An ATen operation whose inputs are all there, with one result.
  program::ValueId MakeAten(absl::string_view name,
                            std::vector<program::ValueId> inputs,
                            program::Value output,
                            program::Attributes attributes = {});
  // Of dropout: no two operations of a program have one.
  int64_t NextStream() { return streams_++; }
  // `node` of the source as it is.
  void Keep(const program::Node& node);

  // The simplest form: of a reshape of a reshape, of one that changes nothing,
  // of a slice of a dimension that was split (then of what it was split from).
  program::ValueId Reshape(program::ValueId x, std::vector<int64_t> shape);
  program::ValueId Transpose(program::ValueId x, int64_t a, int64_t b);
  program::ValueId Slice(program::ValueId x, int64_t dim, int64_t begin,
                         int64_t end);

  // Rows as they were before they were flattened: [N, C] of [B, T, .., ..].
  program::ValueId Unflattened(program::ValueId x);

  // Without the casts between types of numbers that made it.
  program::ValueId WithoutCasts(program::ValueId v) const;
  // Without the reshapes that made it.
  program::ValueId Flattened(program::ValueId v) const;
  // Without casts, expansions and added leading dimensions of length one:
  // equal to `v` where that broadcasts.
  program::ValueId Narrowest(program::ValueId v) const;

  // A parameter's row that starts at zero.
  void NoteZeroRow(program::ValueId parameter, int64_t row);

  // The program of what `loss` (of the source) needs; parameters in the order
  // of their first use, the others last.
  program::Program Finish(program::ValueId loss) &&;

 private:
  program::ValueId AddValue(program::Value value, int producer);
  std::optional<program::ValueId> SliceBeforeSplit(program::ValueId x,
                                                   int64_t dim, int64_t begin,
                                                   int64_t end);

  const program::Program& source_;
  program::Program program_;
  std::vector<program::ValueId> mapped_;  // [source value]
  std::vector<int> uses_;                 // [source value]: in its nodes
  std::vector<int> producers_;            // [value]: node, or -1
  std::vector<bool> is_parameter_;        // [value]
  // Nodes that were made, by what they are made of.
  std::map<std::pair<program::Operation, std::vector<program::ValueId>>,
           std::vector<int>>
      made_;
  std::string scope_;
  int64_t streams_ = 0;
};

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_EXPORTED_REWRITER_H_
