#include "coordinator/program/builder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/program/shape_rules.h"
#include "proto/support/status_macros.h"

namespace autotp::program {
namespace {

constexpr int kMostOutputs = 2;  // of any operation

Initialization Normal(double standard_deviation) {
  return {Initialization::Kind::kNormal, standard_deviation, -1};
}

constexpr Initialization kOnes = {Initialization::Kind::kOnes, 0, -1};
constexpr Initialization kZeros = {Initialization::Kind::kZeros, 0, -1};

}  // namespace

Builder::Scope::Scope(Builder* builder, absl::string_view module)
    : builder_(builder), length_(builder->scope_.size()) {
  builder->scope_ = builder->FullName(module);
}

Builder::Scope::~Scope() { builder_->scope_.resize(length_); }

Builder::Builder(std::string name, int64_t batch, int64_t tokens, bool packed) {
  program_.name = std::move(name);
  std::vector<const char*> inputs = {"input_ids", "labels"};
  if (packed) inputs.push_back("positions");
  for (const char* input : inputs) {
    program_.inputs.push_back(
        AddValue(input, {batch, tokens}, ValueKind::kIndex));
  }
}

std::string Builder::FullName(absl::string_view name) const {
  if (scope_.empty()) return std::string(name);
  if (name.empty()) return scope_;
  return absl::StrCat(scope_, ".", name);
}

ValueId Builder::AddValue(std::string name, std::vector<int64_t> shape,
                          ValueKind kind) {
  program_.values.push_back({std::move(name), std::move(shape), kind});
  return static_cast<ValueId>(program_.values.size()) - 1;
}

void Builder::Fail(const absl::Status& status) {
  if (status_.ok()) status_ = Annotate(status, scope_.empty() ? "top" : scope_);
}

std::vector<int64_t> Builder::ShapeOf(ValueId id) const {
  if (id == kNoValue) return {};
  return program_.values[id].shape;
}

ValueId Builder::Parameter(absl::string_view name, std::vector<int64_t> shape,
                           Initialization initialization) {
  if (!status_.ok()) return kNoValue;
  std::string full = FullName(name);
  if (!parameter_by_name_.emplace(full, program_.parameters.size()).second) {
    Fail(absl::InvalidArgumentError(
        absl::StrCat("parameter '", full, "' is made twice")));
    return kNoValue;
  }
  program::Parameter parameter;
  parameter.name = full;
  parameter.value = AddValue(full, shape, ValueKind::kFloat);
  parameter.shape = std::move(shape);
  parameter.initialization = initialization;
  program_.parameters.push_back(std::move(parameter));
  return program_.parameters.back().value;
}

ValueId Builder::Buffer(absl::string_view name, std::vector<int64_t> shape,
                        Initialization initialization) {
  const ValueId value = Parameter(name, std::move(shape), initialization);
  if (value != kNoValue) program_.parameters.back().frozen = true;
  return value;
}

ValueId Builder::ParameterNamed(absl::string_view full_name) {
  const auto found = parameter_by_name_.find(full_name);
  if (found == parameter_by_name_.end()) {
    Fail(absl::InvalidArgumentError(
        absl::StrCat("there is no parameter '", full_name, "'")));
    return kNoValue;
  }
  return program_.parameters[found->second].value;
}

void Builder::Alias(absl::string_view full_name, absl::string_view alias) {
  if (ParameterNamed(full_name) == kNoValue) return;
  const size_t index = parameter_by_name_.find(full_name)->second;
  std::string full = FullName(alias);
  if (!parameter_by_name_.emplace(full, index).second) {
    Fail(absl::InvalidArgumentError(
        absl::StrCat("the name '", full, "' is taken twice")));
    return;
  }
  program_.parameters[index].aliases.push_back(std::move(full));
}

std::vector<ValueId> Builder::Apply(Operation operation,
                                    std::vector<ValueId> inputs,
                                    Attributes attributes) {
  const std::vector<ValueId> nothing(kMostOutputs, kNoValue);
  if (!status_.ok()) return nothing;
  Node node{operation, std::move(inputs), {}, std::move(attributes), scope_};
  absl::StatusOr<std::vector<Value>> outputs = InferOutputs(program_, node);
  if (!outputs.ok()) {
    Fail(Annotate(outputs.status(), OperationName(operation)));
    return nothing;
  }
  const std::string name = FullName(OperationName(operation));
  for (Value& output : *outputs) {
    node.outputs.push_back(
        AddValue(name, std::move(output.shape), output.kind));
  }
  program_.nodes.push_back(std::move(node));
  return program_.nodes.back().outputs;
}

ValueId Builder::ApplyOne(Operation operation, std::vector<ValueId> inputs,
                          Attributes attributes) {
  return Apply(operation, std::move(inputs), std::move(attributes))[0];
}

ValueId Builder::Embedding(absl::string_view module, ValueId ids,
                           const EmbeddingOptions& options) {
  const Scope scope = Enter(module);
  Initialization initialization = Normal(options.standard_deviation);
  initialization.zero_row = options.padding_idx;
  const ValueId weight =
      Parameter("weight", {options.rows, options.width}, initialization);
  Attributes attributes;
  if (options.padding_idx >= 0) attributes["padding_idx"] = options.padding_idx;
  return ApplyOne(Operation::kEmbedding, {weight, ids}, std::move(attributes));
}

ValueId Builder::LookUp(ValueId table, ValueId ids) {
  return ApplyOne(Operation::kEmbedding, {table, ids});
}

ValueId Builder::Linear(absl::string_view module, ValueId x,
                        const LinearOptions& options) {
  const Scope scope = Enter(module);
  const std::vector<int64_t> shape = ShapeOf(x);
  ValueId weight = kNoValue;
  if (!options.tied_to.empty()) {
    Alias(options.tied_to, "weight");
    weight = ParameterNamed(options.tied_to);
  } else {
    std::vector<int64_t> sizes = {options.out,
                                  shape.empty() ? 0 : shape.back()};
    if (options.transposed) std::swap(sizes[0], sizes[1]);
    weight = Parameter("weight", std::move(sizes),
                       Normal(options.standard_deviation));
  }
  std::vector<ValueId> inputs = {x, weight};
  if (options.bias) inputs.push_back(Parameter("bias", {options.out}, kZeros));
  Attributes attributes;
  if (options.transposed) attributes["transposed"] = true;
  return ApplyOne(Operation::kLinear, std::move(inputs), std::move(attributes));
}

ValueId Builder::RmsNorm(absl::string_view module, ValueId x, double eps,
                         double offset) {
  const Scope scope = Enter(module);
  const std::vector<int64_t> shape = ShapeOf(x);
  const ValueId weight = Parameter("weight", {shape.empty() ? 0 : shape.back()},
                                   offset == 1 ? kZeros : kOnes);
  Attributes attributes = {{"eps", eps}};
  if (offset != 0) attributes["offset"] = offset;
  return ApplyOne(Operation::kRmsNorm, {x, weight}, std::move(attributes));
}

ValueId Builder::Normalize(ValueId x, double eps) {
  return ApplyOne(Operation::kLayerNorm, {x}, {{"eps", eps}});
}

ValueId Builder::LayerNorm(absl::string_view module, ValueId x, double eps,
                           bool bias) {
  const Scope scope = Enter(module);
  const std::vector<int64_t> shape = ShapeOf(x);
  const int64_t width = shape.empty() ? 0 : shape.back();
  std::vector<ValueId> inputs = {x, Parameter("weight", {width}, kOnes)};
  if (bias) inputs.push_back(Parameter("bias", {width}, kZeros));
  return ApplyOne(Operation::kLayerNorm, std::move(inputs), {{"eps", eps}});
}

RotaryTables Builder::RotaryTable(std::vector<double> inv_freq, int64_t length,
                                  double scale) {
  Attributes attributes = {{"inv_freq", std::move(inv_freq)},
                           {"length", length}};
  if (scale != 1.0) attributes["scale"] = scale;
  const std::vector<ValueId> tables =
      Apply(Operation::kRotaryTable, {}, std::move(attributes));
  return {tables[0], tables[1]};
}

ValueId Builder::Rotary(ValueId x, const RotaryTables& tables,
                        bool interleaved) {
  Attributes attributes;
  if (interleaved) attributes["interleaved"] = true;
  return ApplyOne(Operation::kRotary, {x, tables.cos, tables.sin},
                  std::move(attributes));
}

ValueId Builder::AlibiTable(const AlibiOptions& options) {
  Attributes attributes = {{"slopes", options.slopes},
                           {"length", options.length}};
  if (options.scale != 1.0) attributes["scale"] = options.scale;
  if (options.rounded) attributes["rounded"] = true;
  return ApplyOne(Operation::kAlibiTable, {}, std::move(attributes));
}

ValueId Builder::Attention(ValueId q, ValueId k, ValueId v,
                           const ScoreOptions& options) {
  Attributes attributes = {{"scale", options.scale}};
  if (options.window > 0) attributes["window"] = options.window;
  if (options.soft_cap > 0) attributes["soft_cap"] = options.soft_cap;
  if (options.dropout > 0) {
    attributes["dropout"] = options.dropout;
    attributes["stream"] = streams_++;
  }
  if (!options.causal) attributes["causal"] = false;
  const bool packed = options.causal && positions() != kNoValue;
  std::vector<ValueId> inputs = {q, k, v};
  if (options.bias != kNoValue || packed) inputs.push_back(options.bias);
  if (packed) inputs.push_back(positions());
  return ApplyOne(Operation::kAttention, std::move(inputs),
                  std::move(attributes));
}

ValueId Builder::Activation(ValueId x, absl::string_view kind) {
  return ApplyOne(Operation::kActivation, {x}, {{"kind", std::string(kind)}});
}

ValueId Builder::SoftCap(ValueId x, double limit) {
  return ApplyOne(Operation::kActivation, {x},
                  {{"kind", std::string("soft_cap")}, {"limit", limit}});
}

ValueId Builder::Clamp(ValueId x, double limit) {
  return ApplyOne(Operation::kActivation, {x},
                  {{"kind", std::string("clamp")}, {"limit", limit}});
}

ValueId Builder::GatedActivation(ValueId gate, ValueId up,
                                 absl::string_view kind) {
  return ApplyOne(Operation::kGatedActivation, {gate, up},
                  {{"kind", std::string(kind)}});
}

ValueId Builder::Add(ValueId a, ValueId b) {
  return ApplyOne(Operation::kAdd, {a, b});
}

ValueId Builder::Mul(ValueId a, ValueId b) {
  return ApplyOne(Operation::kMul, {a, b});
}

ValueId Builder::Scale(ValueId x, double factor, bool rounded) {
  Attributes attributes = {{"factor", factor}};
  if (rounded) attributes["rounded"] = true;
  return ApplyOne(Operation::kScale, {x}, std::move(attributes));
}

ValueId Builder::Dropout(ValueId x, double probability) {
  if (probability == 0) return x;
  return ApplyOne(Operation::kDropout, {x},
                  {{"probability", probability}, {"stream", streams_++}});
}

ValueId Builder::Reshape(ValueId x, std::vector<int64_t> shape) {
  return ApplyOne(Operation::kReshape, {x}, {{"shape", std::move(shape)}});
}

ValueId Builder::Transpose(ValueId x, int64_t a, int64_t b) {
  return ApplyOne(Operation::kTranspose, {x}, {{"a", a}, {"b", b}});
}

ValueId Builder::Slice(ValueId x, int64_t dim, int64_t begin, int64_t end) {
  return ApplyOne(Operation::kSlice, {x},
                  {{"dim", dim}, {"begin", begin}, {"end", end}});
}

ValueId Builder::Concat(std::vector<ValueId> parts, int64_t dim) {
  return ApplyOne(Operation::kConcat, std::move(parts), {{"dim", dim}});
}

ValueId Builder::Stack(std::vector<ValueId> parts) {
  return ApplyOne(Operation::kStack, std::move(parts));
}

ValueId Builder::CrossEntropy(ValueId logits, ValueId labels, bool shift) {
  Attributes attributes;
  if (!shift) attributes["shift"] = false;
  return ApplyOne(Operation::kCrossEntropy, {logits, labels},
                  std::move(attributes));
}

absl::StatusOr<Program> Builder::Finish(ValueId loss) && {
  AUTOTP_RETURN_IF_ERROR(status_);
  program_.loss = loss;
  AUTOTP_RETURN_IF_ERROR(CheckProgram(program_));
  return std::move(program_);
}

}  // namespace autotp::program
