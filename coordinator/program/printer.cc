// Programs as text for people and golden files. See DescribeProgram.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "coordinator/program/program.h"
#include "coordinator/program/shape_rules.h"

namespace autotp::program {
namespace {

// Longer lists (rotary frequencies) show their first numbers and their count.
constexpr size_t kNumbersShown = 4;

absl::string_view KindName(ValueKind kind) {
  switch (kind) {
    case ValueKind::kFloat:
      return "float";
    case ValueKind::kIndex:
      return "index";
    case ValueKind::kFloat32:
      return "float32";
  }
  return "";
}

struct AttributeText {
  std::string operator()(int64_t value) const { return absl::StrCat(value); }
  std::string operator()(double value) const {
    return absl::StrFormat("%.9g", value);
  }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(const std::string& value) const { return value; }
  std::string operator()(const std::vector<int64_t>& value) const {
    return ShapeText(value);
  }
  std::string operator()(const std::vector<double>& value) const {
    std::vector<std::string> shown;
    for (size_t i = 0; i < value.size() && i < kNumbersShown; ++i)
      shown.push_back((*this)(value[i]));
    if (value.size() > kNumbersShown)
      shown.push_back(absl::StrCat("... ", value.size(), " numbers"));
    return absl::StrCat("[", absl::StrJoin(shown, ", "), "]");
  }
};

std::string InitializationText(const Initialization& initialization) {
  switch (initialization.kind) {
    case Initialization::Kind::kOnes:
      return "ones";
    case Initialization::Kind::kZeros:
      return "zeros";
    case Initialization::Kind::kNormal:
      break;
  }
  std::string text =
      absl::StrFormat("normal(%.9g)", initialization.standard_deviation);
  if (initialization.zero_row >= 0)
    absl::StrAppend(&text, " row ", initialization.zero_row, " zero");
  return text;
}

std::string IntervalsText(const Intervals& intervals) {
  return absl::StrJoin(
      intervals, " ", [](std::string* out, const Interval& interval) {
        absl::StrAppend(out, interval.begin, "..", interval.end);
      });
}

std::string ParameterText(const Parameter& parameter) {
  std::string text = absl::StrCat("  %", parameter.value, " = ", parameter.name,
                                  " ", ShapeText(parameter.shape), " ",
                                  InitializationText(parameter.initialization));
  if (parameter.cut_dim >= 0) {
    absl::StrAppend(&text, ", cut along ", parameter.cut_dim, ": ",
                    parameter.intervals.empty()
                        ? "nothing"
                        : IntervalsText(parameter.intervals));
  }
  if (parameter.partial_gradient) absl::StrAppend(&text, ", partial gradient");
  if (parameter.frozen) absl::StrAppend(&text, ", frozen");
  for (const std::string& alias : parameter.aliases)
    absl::StrAppend(&text, ", also ", alias);
  return text;
}

std::string ValueText(const Program& program, ValueId id) {
  const Value& value = program.values[id];
  std::string text = absl::StrCat("%", id, " ", ShapeText(value.shape));
  if (value.kind != ValueKind::kFloat)
    absl::StrAppend(&text, " ", KindName(value.kind));
  return text;
}

std::string NodeText(const Program& program, const Node& node) {
  const auto input = [](std::string* out, ValueId id) {
    if (id == kNoValue) {
      absl::StrAppend(out, "none");
    } else {
      absl::StrAppend(out, "%", id);
    }
  };
  const auto output = [&program](std::string* out, ValueId id) {
    absl::StrAppend(out, ValueText(program, id));
  };
  std::string text =
      absl::StrCat("  ", absl::StrJoin(node.outputs, ", ", output), " = ",
                   OperationName(node.operation), "(",
                   absl::StrJoin(node.inputs, ", ", input), ")");
  if (!node.attributes.empty()) {
    const auto attribute = [](std::string* out, const auto& entry) {
      absl::StrAppend(out, entry.first, ": ",
                      std::visit(AttributeText{}, entry.second));
    };
    absl::StrAppend(&text, " {",
                    absl::StrJoin(node.attributes, ", ", attribute), "}");
  }
  if (!node.scope.empty()) absl::StrAppend(&text, "  # ", node.scope);
  if (node.recompute_region != 0)
    absl::StrAppend(&text, "  # again in region ", node.recompute_region);
  return text;
}

}  // namespace

std::string DescribeProgram(const Program& program) {
  std::string text = absl::StrCat("program ", program.name, "\ninputs\n");
  for (ValueId id : program.inputs) {
    absl::StrAppend(&text, "  ", ValueText(program, id), " ",
                    program.values[id].name, "\n");
  }
  int64_t elements = 0;
  for (const Parameter& parameter : program.parameters)
    elements += ElementCount(program.values[parameter.value].shape);
  absl::StrAppend(&text, "parameters: ", program.parameters.size(), " with ",
                  elements, " numbers\n");
  for (const Parameter& parameter : program.parameters)
    absl::StrAppend(&text, ParameterText(parameter), "\n");
  absl::StrAppend(&text, "nodes: ", program.nodes.size(), "\n");
  for (const Node& node : program.nodes)
    absl::StrAppend(&text, NodeText(program, node), "\n");
  if (program.loss != kNoValue)
    absl::StrAppend(&text, "loss %", program.loss, "\n");
  return text;
}

}  // namespace autotp::program
