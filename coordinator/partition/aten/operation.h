// operation.h -- one ATen operation while its rule is being made: the shapes
// around it, and the labels that its dimensions have so far.
//
// Flow: aten_rules.cc names the operations of each kind -> a function of
// kinds.h labels the dimensions -> placement_rules.h.
//
// The usual labels: dimension d of the output is label d; a dimension that
// the output lacks takes NewLabel().
#ifndef AUTOTP_COORDINATOR_PARTITION_ATEN_OPERATION_H_
#define AUTOTP_COORDINATOR_PARTITION_ATEN_OPERATION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "coordinator/partition/placement_rules.h"
#include "coordinator/program/program.h"

namespace autotp::partition {

struct AtenOperation {
  using Labels = std::vector<DimLabel>;
  using Shape = std::vector<int64_t>;

  // All dimensions without labels.
  AtenOperation(const program::Program& whole, const program::Node& aten);

  const program::Program& program;
  const program::Node& node;
  absl::string_view name;     // "add" of aten.add.Tensor
  std::vector<Shape> inputs;  // [input]; empty where absent
  Shape output;
  PlacementRule rule;

  static uint64_t Bit(int label) { return uint64_t{1} << label; }
  bool Has(size_t input) const {
    return input < inputs.size() && node.inputs[input] != program::kNoValue;
  }
  int NewLabel() { return next_++; }
  void Block(int label) { rule.blocked |= Bit(label); }

  // Labels of the output by its dimensions.
  void NumberOutput();
  // An input's dimensions as those of the output, counted from the right;
  // those of length one that are repeated have none. False: it is not so.
  bool Align(size_t input);
  // Dimensions of the inputs that are as long as the output's.
  void AlignEqual();
  // Dimension `dim` is whole, and may have other lengths in the inputs.
  void KeepWhole(int64_t dim);
  // Every dimension of every input has a label.
  bool AllLabelled() const;
  // The inputs have as many dimensions as the output.
  bool SameRank() const;

  const program::Attribute* Find(absl::string_view attribute) const;
  const Shape* List(absl::string_view attribute) const;
  // The dimensions that an attribute names, from the front; `fallback` if
  // absent.
  Shape Dims(absl::string_view attribute, size_t rank,
             const Shape& fallback) const;
  // The same of an attribute that names one; -1 where there is none such.
  int64_t Dim(absl::string_view attribute, size_t rank, int64_t fallback) const;

 private:
  int next_ = 0;
};

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_ATEN_OPERATION_H_
