#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_split.h"
#include "coordinator/partition/aten/kinds.h"

namespace autotp::partition::aten {

bool MatrixProduct(AtenOperation& op) {
  const std::vector<AtenOperation::Shape>& in = op.inputs;
  const AtenOperation::Shape& out = op.output;
  if (in.size() != 2 || in[0].size() < 2 || in[1].size() < 2 ||
      out.size() < std::max(in[0].size(), in[1].size()))
    return false;
  const size_t rows = in[0].size() - 2;
  const size_t columns = in[1].size() - 1;
  if (in[0][rows] != out[out.size() - 2] ||
      in[0][rows + 1] != in[1][columns - 1] || in[1][columns] != out.back())
    return false;
  op.NumberOutput();
  const int rank = static_cast<int>(out.size());
  for (size_t i : {0, 1}) {
    const size_t lead = out.size() - in[i].size();
    for (size_t d = 0; d + 2 < in[i].size(); ++d) {
      if (in[i][d] == out[lead + d])
        op.rule.inputs[i][d].label = static_cast<int>(lead + d);
    }
  }
  AtenOperation::Labels& a = op.rule.inputs[0];
  AtenOperation::Labels& b = op.rule.inputs[1];
  a[a.size() - 2].label = rank - 2;
  a.back().label = rank;
  b[b.size() - 2].label = rank;
  b.back().label = rank - 1;
  op.rule.summed = AtenOperation::Bit(rank);
  return true;
}

bool GroupedProduct(AtenOperation& op) {
  const std::vector<AtenOperation::Shape>& in = op.inputs;
  if (in.size() < 3 || !op.Has(2) || op.Has(3) || in[0].size() != 2 ||
      in[1].size() != 3 || op.output.size() != 2)
    return false;
  op.NumberOutput();
  const int inner = op.NewLabel();
  const int expert = op.NewLabel();
  op.rule.inputs[0][0].label = 0;
  op.rule.inputs[0][1].label = inner;
  op.rule.inputs[1][0].label = expert;
  op.rule.inputs[1][1].label = inner;
  op.rule.inputs[1][2].label = 1;
  op.rule.summed = AtenOperation::Bit(inner);
  op.Block(0);
  op.Block(expert);
  return true;
}

// The sum is of one rank: c would be added by each.
bool BatchedSum(AtenOperation& op) {
  if (op.inputs.size() != 3 || op.output.size() != 3 ||
      op.inputs[1].size() != 3 || op.inputs[2].size() != 3)
    return false;
  const AtenOperation::Shape& a = op.inputs[1];
  const AtenOperation::Shape& b = op.inputs[2];
  if (a != AtenOperation::Shape{op.output[0], op.output[1], b[1]} ||
      b != AtenOperation::Shape{op.output[0], a[2], op.output[2]})
    return false;
  op.NumberOutput();
  const int inner = op.NewLabel();
  op.rule.inputs[1] = {{0}, {1}, {inner}};
  op.rule.inputs[2] = {{0}, {inner}, {2}};
  op.Block(inner);
  return op.Align(0);
}

// Subscripts that are letters from a to z, once in each term; none broadcasts.
bool Einsum(AtenOperation& op) {
  const program::Attribute* found = op.Find("equation");
  const auto* text =
      found == nullptr ? nullptr : std::get_if<std::string>(found);
  if (text == nullptr) return false;
  std::string equation;
  for (char c : *text)
    if (c != ' ') equation += c;
  const std::vector<std::string> sides = absl::StrSplit(equation, "->");
  if (sides.size() != 2) return false;
  const std::vector<std::string> terms = absl::StrSplit(sides[0], ',');
  if (terms.size() != op.inputs.size()) return false;
  uint64_t seen = 0;
  std::array<int64_t, 26> lengths;
  lengths.fill(-1);
  const auto label = [&](const std::string& term,
                         const AtenOperation::Shape& shape,
                         AtenOperation::Labels* labels) {
    if (term.size() != labels->size()) return false;
    for (size_t d = 0; d < term.size(); ++d) {
      if (std::islower(static_cast<unsigned char>(term[d])) == 0) return false;
      (*labels)[d].label = term[d] - 'a';
      if (term.find(term[d], d + 1) != std::string::npos) return false;
      seen |= AtenOperation::Bit(term[d] - 'a');
      int64_t& length = lengths[term[d] - 'a'];
      if (length >= 0 && length != shape[d]) return false;
      length = shape[d];
    }
    return true;
  };
  for (size_t i = 0; i < terms.size(); ++i)
    if (!label(terms[i], op.inputs[i], &op.rule.inputs[i])) return false;
  op.rule.summed = seen;
  if (!label(sides[1], op.output, &op.rule.output)) return false;
  for (const DimLabel& kept : op.rule.output)
    op.rule.summed &= ~AtenOperation::Bit(kept.label);
  return true;
}

}  // namespace autotp::partition::aten
