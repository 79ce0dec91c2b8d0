// Is a program well formed? See CheckProgram in program.h.
#include <algorithm>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "coordinator/program/program.h"
#include "coordinator/program/shape_checks.h"
#include "coordinator/program/shape_rules.h"
#include "coordinator/program/signature.h"
#include "proto/support/status_macros.h"

namespace autotp::program {
namespace {

template <typename... Parts>
absl::Status Fault(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

class Checker {
 public:
  explicit Checker(const Program& program)
      : program_(program), made_(program.values.size(), false) {}

  absl::Status Run() {
    AUTOTP_RETURN_IF_ERROR(CheckValues());
    for (ValueId id : program_.inputs) {
      AUTOTP_RETURN_IF_ERROR(Annotate(Make(id), "the program's inputs"));
    }
    for (const Parameter& parameter : program_.parameters) {
      AUTOTP_RETURN_IF_ERROR(
          Annotate(CheckParameter(parameter),
                   absl::StrCat("parameter '", parameter.name, "'")));
    }
    for (size_t i = 0; i < program_.nodes.size(); ++i) {
      const Node& node = program_.nodes[i];
      AUTOTP_RETURN_IF_ERROR(Annotate(
          CheckNode(node),
          absl::StrCat("node ", i, " (", NodeName(node),
                       node.scope.empty() ? "" : " in ", node.scope, ")")));
    }
    return CheckLoss();
  }

 private:
  absl::Status CheckValues() const {
    for (size_t i = 0; i < program_.values.size(); ++i) {
      AUTOTP_RETURN_IF_ERROR(Annotate(CheckLimits(program_.values[i].shape),
                                      absl::StrCat("value %", i)));
    }
    return absl::OkStatus();
  }

  bool Exists(ValueId id) const {
    return id >= 0 && static_cast<size_t>(id) < program_.values.size();
  }

  absl::Status Make(ValueId id) {
    if (!Exists(id)) return Fault("makes %", id, ", which is no value");
    if (made_[id]) return Fault("makes %", id, " a second time");
    made_[id] = true;
    return absl::OkStatus();
  }

  absl::Status CheckParameter(const Parameter& parameter) {
    AUTOTP_RETURN_IF_ERROR(Make(parameter.value));
    if (parameter.name.empty()) return Fault("has no name");
    AUTOTP_RETURN_IF_ERROR(UseName(parameter.name));
    for (const std::string& alias : parameter.aliases)
      AUTOTP_RETURN_IF_ERROR(UseName(alias));
    AUTOTP_RETURN_IF_ERROR(CheckLimits(parameter.shape));
    std::vector<int64_t> expected = parameter.shape;
    const int64_t rows = expected.empty() ? 0 : expected[0];
    if (parameter.initialization.zero_row < -1 ||
        parameter.initialization.zero_row >= std::max<int64_t>(rows, 1)) {
      return Fault("has no row ", parameter.initialization.zero_row);
    }
    if (parameter.orthogonalized && expected.size() < 2)
      return Fault("is no matrix to be orthogonalized");
    if (parameter.cut_dim != -1) {
      if (parameter.cut_dim < 0 ||
          parameter.cut_dim >= static_cast<int>(expected.size())) {
        return Fault("is cut along dimension ", parameter.cut_dim, " of ",
                     ShapeText(expected));
      }
      AUTOTP_RETURN_IF_ERROR(
          CheckIntervals(parameter.intervals, expected[parameter.cut_dim]));
      expected[parameter.cut_dim] = Length(parameter.intervals);
    }
    const Value& value = program_.values[parameter.value];
    if (value.kind == ValueKind::kIndex || value.kind == ValueKind::kBool)
      return Fault("holds no numbers");
    if (value.shape != expected) {
      return Fault("has value shape ", ShapeText(value.shape), ", needs ",
                   ShapeText(expected));
    }
    return absl::OkStatus();
  }

  static absl::Status CheckIntervals(const Intervals& intervals, int64_t size) {
    int64_t last = 0;
    for (const Interval& interval : intervals) {
      if (interval.begin < last || interval.end < interval.begin ||
          interval.end > size) {
        return Fault("owns [", interval.begin, ", ", interval.end,
                     "), which is out of order or outside ", size);
      }
      last = interval.end;
    }
    return absl::OkStatus();
  }

  absl::Status UseName(const std::string& name) {
    if (names_.insert(name).second) return absl::OkStatus();
    return Fault("the name '", name, "' is taken twice");
  }

  absl::Status CheckNode(const Node& node) {
    for (ValueId id : node.inputs) {
      if (id == kNoValue) continue;
      if (!Exists(id)) return Fault("uses %", id, ", which is no value");
      if (!made_[id]) return Fault("uses %", id, " before it is made");
    }
    if (node.operation == Operation::kAten) return CheckAten(node);
    AUTOTP_ASSIGN_OR_RETURN(const std::vector<Value> expected,
                            InferOutputs(program_, node));
    if (node.outputs.size() != expected.size()) {
      return Fault("has ", node.outputs.size(), " outputs, needs ",
                   expected.size());
    }
    for (size_t i = 0; i < expected.size(); ++i) {
      AUTOTP_RETURN_IF_ERROR(Make(node.outputs[i]));
      const Value& value = program_.values[node.outputs[i]];
      if (value.shape != expected[i].shape) {
        return Fault("output %", node.outputs[i], " has shape ",
                     ShapeText(value.shape), ", the operation yields ",
                     ShapeText(expected[i].shape));
      }
      if (value.kind != expected[i].kind)
        return Fault("output %", node.outputs[i], " is of another kind");
    }
    return absl::OkStatus();
  }

  // Its shapes are as the front end wrote them; the worker compares them with
  // what the operation yields.
  absl::Status CheckAten(const Node& node) {
    AUTOTP_RETURN_IF_ERROR(CheckSignature(node));
    if (node.outputs.empty()) return Fault("has no output");
    for (ValueId output : node.outputs) AUTOTP_RETURN_IF_ERROR(Make(output));
    return absl::OkStatus();
  }

  absl::Status CheckLoss() const {
    const ValueId loss = program_.loss;
    if (loss == kNoValue) return absl::OkStatus();
    if (!Exists(loss) || !made_[loss])
      return Fault("the loss %", loss, " is never made");
    if (!program_.values[loss].shape.empty()) {
      return Fault("the loss has shape ",
                   ShapeText(program_.values[loss].shape),
                   ", needs to be a scalar");
    }
    return absl::OkStatus();
  }

  const Program& program_;
  std::vector<bool> made_;
  std::set<std::string> names_;
};

}  // namespace

absl::Status CheckProgram(const Program& program) {
  return Checker(program).Run();
}

}  // namespace autotp::program
