#include "coordinator/partition/aten/operation.h"

#include <algorithm>
#include <variant>

namespace autotp::partition {

AtenOperation::AtenOperation(const program::Program& whole,
                             const program::Node& aten)
    : program(whole), node(aten) {
  const absl::string_view rest = absl::string_view(node.aten).substr(5);
  name = rest.substr(0, std::min(rest.find('.', 1), rest.size()));
  for (program::ValueId input : node.inputs) {
    inputs.push_back(input == program::kNoValue ? Shape{}
                                                : program.values[input].shape);
    rule.inputs.emplace_back(inputs.back().size());
  }
  if (!node.outputs.empty()) output = program.values[node.outputs[0]].shape;
  rule.output.resize(output.size());
  next_ = static_cast<int>(output.size());
}

void AtenOperation::NumberOutput() {
  for (size_t d = 0; d < output.size(); ++d)
    rule.output[d].label = static_cast<int>(d);
}

bool AtenOperation::Align(size_t input) {
  const Shape& in = inputs[input];
  if (in.size() > output.size()) return false;
  const size_t lead = output.size() - in.size();
  for (size_t d = 0; d < in.size(); ++d) {
    if (in[d] == output[lead + d])
      rule.inputs[input][d].label = static_cast<int>(lead + d);
    else if (in[d] != 1)
      return false;
  }
  return true;
}

void AtenOperation::AlignEqual() {
  NumberOutput();
  for (size_t i = 0; i < inputs.size(); ++i) {
    for (size_t d = 0; d < inputs[i].size(); ++d) {
      if (inputs[i][d] == output[d])
        rule.inputs[i][d].label = static_cast<int>(d);
    }
  }
}

void AtenOperation::KeepWhole(int64_t dim) {
  if (dim < 0) return;
  for (Labels& labels : rule.inputs) {
    if (dim >= static_cast<int64_t>(labels.size())) continue;
    labels[dim].label = NewLabel();
    Block(labels[dim].label);
  }
  if (dim < static_cast<int64_t>(output.size())) Block(static_cast<int>(dim));
}

bool AtenOperation::AllLabelled() const {
  return std::all_of(
      rule.inputs.begin(), rule.inputs.end(), [](const Labels& labels) {
        return std::all_of(
            labels.begin(), labels.end(),
            [](const DimLabel& label) { return label.label != kNoLabel; });
      });
}

bool AtenOperation::SameRank() const {
  return std::all_of(inputs.begin(), inputs.end(), [this](const Shape& s) {
    return s.size() == output.size();
  });
}

const program::Attribute* AtenOperation::Find(
    absl::string_view attribute) const {
  const auto found = node.attributes.find(attribute);
  return found == node.attributes.end() ? nullptr : &found->second;
}

const AtenOperation::Shape* AtenOperation::List(
    absl::string_view attribute) const {
  const program::Attribute* found = Find(attribute);
  return found == nullptr ? nullptr : std::get_if<Shape>(found);
}

AtenOperation::Shape AtenOperation::Dims(absl::string_view attribute,
                                         size_t rank,
                                         const Shape& fallback) const {
  Shape dims = fallback;
  if (const program::Attribute* found = Find(attribute)) {
    if (const auto* one = std::get_if<int64_t>(found)) dims = {*one};
    if (const auto* list = std::get_if<Shape>(found)) dims = *list;
  }
  for (int64_t& dim : dims)
    if (dim < 0) dim += static_cast<int64_t>(rank);
  return dims;
}

int64_t AtenOperation::Dim(absl::string_view attribute, size_t rank,
                           int64_t fallback) const {
  const Shape dims = Dims(attribute, rank, {fallback});
  const bool fits =
      dims.size() == 1 && dims[0] >= 0 && dims[0] < static_cast<int64_t>(rank);
  return fits ? dims[0] : -1;
}

}  // namespace autotp::partition
