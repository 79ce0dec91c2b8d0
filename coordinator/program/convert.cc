// Programs to and from autotp.v1.Program.
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "coordinator/program/program.h"
#include "proto/support/status_macros.h"

namespace autotp::program {
namespace {

constexpr absl::string_view kAtenPrefix = "aten.";

template <typename... Parts>
absl::Status Malformed(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

v1::Value::Kind ToProto(ValueKind kind) {
  switch (kind) {
    case ValueKind::kFloat:
      return v1::Value::KIND_FLOAT;
    case ValueKind::kIndex:
      return v1::Value::KIND_INDEX;
    case ValueKind::kFloat32:
      return v1::Value::KIND_FLOAT32;
    case ValueKind::kBool:
      return v1::Value::KIND_BOOL;
  }
  return v1::Value::KIND_UNSPECIFIED;
}

absl::StatusOr<ValueKind> FromProto(v1::Value::Kind kind) {
  switch (kind) {
    case v1::Value::KIND_FLOAT:
      return ValueKind::kFloat;
    case v1::Value::KIND_INDEX:
      return ValueKind::kIndex;
    case v1::Value::KIND_FLOAT32:
      return ValueKind::kFloat32;
    case v1::Value::KIND_BOOL:
      return ValueKind::kBool;
    default:
      return Malformed("value kind ", static_cast<int>(kind), " is unknown");
  }
}

v1::Initialization::Kind ToProto(Initialization::Kind kind) {
  switch (kind) {
    case Initialization::Kind::kNormal:
      return v1::Initialization::KIND_NORMAL;
    case Initialization::Kind::kOnes:
      return v1::Initialization::KIND_ONES;
    case Initialization::Kind::kZeros:
      return v1::Initialization::KIND_ZEROS;
  }
  return v1::Initialization::KIND_UNSPECIFIED;
}

absl::StatusOr<Initialization::Kind> FromProto(v1::Initialization::Kind kind) {
  switch (kind) {
    case v1::Initialization::KIND_NORMAL:
      return Initialization::Kind::kNormal;
    case v1::Initialization::KIND_ONES:
      return Initialization::Kind::kOnes;
    case v1::Initialization::KIND_ZEROS:
      return Initialization::Kind::kZeros;
    default:
      return Malformed("initialization ", static_cast<int>(kind),
                       " is unknown");
  }
}

struct AttributeWriter {
  v1::Attribute* message;
  void operator()(int64_t value) const { message->set_integer(value); }
  void operator()(double value) const { message->set_number(value); }
  void operator()(bool value) const { message->set_flag(value); }
  void operator()(const std::string& value) const { message->set_text(value); }
  void operator()(const std::vector<int64_t>& value) const {
    message->mutable_integers()->mutable_values()->Assign(value.begin(),
                                                          value.end());
  }
  void operator()(const std::vector<double>& value) const {
    message->mutable_numbers()->mutable_values()->Assign(value.begin(),
                                                         value.end());
  }
};

absl::Status ReadAttribute(const v1::Attribute& message, Attribute& value) {
  switch (message.value_case()) {
    case v1::Attribute::kInteger:
      value = int64_t{message.integer()};
      return absl::OkStatus();
    case v1::Attribute::kNumber:
      value = message.number();
      return absl::OkStatus();
    case v1::Attribute::kFlag:
      value = message.flag();
      return absl::OkStatus();
    case v1::Attribute::kText:
      value = message.text();
      return absl::OkStatus();
    case v1::Attribute::kIntegers: {
      const auto& values = message.integers().values();
      value = std::vector<int64_t>(values.begin(), values.end());
      return absl::OkStatus();
    }
    case v1::Attribute::kNumbers: {
      const auto& values = message.numbers().values();
      value = std::vector<double>(values.begin(), values.end());
      return absl::OkStatus();
    }
    default:
      return Malformed("attribute '", message.name(), "' has no value");
  }
}

void WriteNode(const Node& node, v1::Node& message) {
  message.set_operation(NodeName(node));
  message.mutable_inputs()->Assign(node.inputs.begin(), node.inputs.end());
  message.mutable_outputs()->Assign(node.outputs.begin(), node.outputs.end());
  for (const auto& [name, value] : node.attributes) {
    v1::Attribute* attribute = message.add_attributes();
    attribute->set_name(name);
    std::visit(AttributeWriter{attribute}, value);
  }
  message.set_scope(node.scope);
  message.set_recompute_region(node.recompute_region);
}

absl::StatusOr<Node> ReadNode(const v1::Node& message) {
  const bool aten = absl::StartsWith(message.operation(), kAtenPrefix);
  const std::optional<Operation> operation =
      aten ? Operation::kAten : OperationByName(message.operation());
  if (!operation.has_value()) {
    return Malformed("operation '", message.operation(),
                     "' is unknown to this build");
  }
  Node node;
  node.operation = *operation;
  if (aten) node.aten = message.operation();
  node.inputs.assign(message.inputs().begin(), message.inputs().end());
  node.outputs.assign(message.outputs().begin(), message.outputs().end());
  node.scope = message.scope();
  node.recompute_region = message.recompute_region();
  for (const v1::Attribute& attribute : message.attributes()) {
    const auto [entry, added] = node.attributes.try_emplace(attribute.name());
    if (!added)
      return Malformed("attribute '", attribute.name(), "' appears twice");
    AUTOTP_RETURN_IF_ERROR(ReadAttribute(attribute, entry->second));
  }
  return node;
}

void WriteParameter(const Parameter& parameter, v1::Parameter& message) {
  message.set_name(parameter.name);
  message.set_value(parameter.value);
  message.mutable_shape()->Assign(parameter.shape.begin(),
                                  parameter.shape.end());
  message.set_cut_dim(parameter.cut_dim);
  for (const Interval& interval : parameter.intervals) {
    v1::Interval* written = message.add_intervals();
    written->set_begin(interval.begin);
    written->set_end(interval.end);
  }
  message.set_partial_gradient(parameter.partial_gradient);
  for (const std::string& alias : parameter.aliases) message.add_aliases(alias);
  v1::Initialization* initialization = message.mutable_initialization();
  initialization->set_kind(ToProto(parameter.initialization.kind));
  initialization->set_standard_deviation(
      parameter.initialization.standard_deviation);
  initialization->set_zero_row(parameter.initialization.zero_row + 1);
  message.mutable_source()->set_file(parameter.source_file);
  message.mutable_source()->set_tensor(parameter.source_tensor);
  message.mutable_source()->set_offset(parameter.source_offset);
  message.mutable_source()->mutable_shape()->Assign(
      parameter.source_shape.begin(), parameter.source_shape.end());
  message.set_frozen(parameter.frozen);
  message.set_undecayed(parameter.undecayed);
  message.set_orthogonalized(parameter.orthogonalized);
}

absl::StatusOr<Parameter> ReadParameter(const v1::Parameter& message) {
  Parameter parameter;
  parameter.name = message.name();
  parameter.value = message.value();
  parameter.shape.assign(message.shape().begin(), message.shape().end());
  parameter.cut_dim = message.cut_dim();
  for (const v1::Interval& interval : message.intervals())
    parameter.intervals.push_back({interval.begin(), interval.end()});
  parameter.partial_gradient = message.partial_gradient();
  parameter.aliases.assign(message.aliases().begin(), message.aliases().end());
  AUTOTP_ASSIGN_OR_RETURN(parameter.initialization.kind,
                          FromProto(message.initialization().kind()));
  parameter.initialization.standard_deviation =
      message.initialization().standard_deviation();
  if (message.initialization().zero_row() < 0)
    return Malformed("row ", message.initialization().zero_row(), " is no row");
  parameter.initialization.zero_row = message.initialization().zero_row() - 1;
  parameter.source_file = message.source().file();
  parameter.source_tensor = message.source().tensor();
  parameter.source_offset = message.source().offset();
  parameter.source_shape.assign(message.source().shape().begin(),
                                message.source().shape().end());
  parameter.frozen = message.frozen();
  parameter.undecayed = message.undecayed();
  parameter.orthogonalized = message.orthogonalized();
  return parameter;
}

}  // namespace

v1::Program ToProto(const Program& program) {
  v1::Program message;
  message.set_name(program.name);
  for (const Value& value : program.values) {
    v1::Value* written = message.add_values();
    written->set_name(value.name);
    written->mutable_shape()->Assign(value.shape.begin(), value.shape.end());
    written->set_kind(ToProto(value.kind));
  }
  for (const Node& node : program.nodes) WriteNode(node, *message.add_nodes());
  for (const Parameter& parameter : program.parameters)
    WriteParameter(parameter, *message.add_parameters());
  message.mutable_inputs()->Assign(program.inputs.begin(),
                                   program.inputs.end());
  message.set_loss(program.loss);
  return message;
}

absl::StatusOr<Program> FromProto(const v1::Program& message) {
  Program program;
  program.name = message.name();
  program.values.reserve(message.values_size());
  for (const v1::Value& value : message.values()) {
    AUTOTP_ASSIGN_OR_RETURN(const ValueKind kind, FromProto(value.kind()));
    program.values.push_back(
        {value.name(), {value.shape().begin(), value.shape().end()}, kind});
  }
  program.nodes.reserve(message.nodes_size());
  for (int i = 0; i < message.nodes_size(); ++i) {
    absl::StatusOr<Node> node = ReadNode(message.nodes(i));
    if (!node.ok()) return Annotate(node.status(), absl::StrCat("node ", i));
    program.nodes.push_back(*std::move(node));
  }
  for (const v1::Parameter& parameter : message.parameters()) {
    absl::StatusOr<Parameter> read = ReadParameter(parameter);
    if (!read.ok()) {
      return Annotate(read.status(),
                      absl::StrCat("parameter '", parameter.name(), "'"));
    }
    program.parameters.push_back(*std::move(read));
  }
  program.inputs.assign(message.inputs().begin(), message.inputs().end());
  program.loss = message.loss();
  AUTOTP_RETURN_IF_ERROR(CheckProgram(program));
  return program;
}

}  // namespace autotp::program
