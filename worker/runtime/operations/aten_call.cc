#include "worker/runtime/operations/aten_call.h"

#include <ATen/core/List.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>
#include <ATen/ops/scalar_tensor.h>

#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "proto/support/status_macros.h"
#include "worker/runtime/operations/aten_allowed.h"
#include "worker/runtime/operations/grouped_product.h"

namespace autotp::runtime {
namespace {

using c10::IValue;
using c10::TypeKind;

// The attribute that is no argument.
constexpr absl::string_view kTensors = "tensors";

absl::Status Refused(const c10::Argument& argument, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("argument '", argument.name(), "' ", why));
}

absl::Status Mistyped(const c10::Argument& argument) {
  return Refused(argument,
                 absl::StrCat("has to be of type ", argument.type()->str()));
}

std::optional<at::ScalarType> ScalarTypeOf(absl::string_view name) {
  static constexpr std::pair<absl::string_view, at::ScalarType> kTypes[] = {
      {"float32", at::kFloat},     {"float16", at::kHalf},
      {"bfloat16", at::kBFloat16}, {"float64", at::kDouble},
      {"int64", at::kLong},        {"int32", at::kInt},
      {"int16", at::kShort},       {"int8", at::kChar},
      {"uint8", at::kByte},        {"bool", at::kBool}};
  for (const auto& [known, type] : kTypes) {
    if (known == name) return type;
  }
  return std::nullopt;
}

std::optional<at::Scalar> ScalarOf(const v1::Attribute& attribute) {
  if (attribute.has_integer()) return at::Scalar(attribute.integer());
  if (attribute.has_number()) return at::Scalar(attribute.number());
  if (attribute.has_flag()) return at::Scalar(attribute.flag());
  return std::nullopt;
}

absl::StatusOr<IValue> ListOf(const v1::Attribute& attribute,
                              const c10::Argument& argument, TypeKind element) {
  switch (element) {
    case TypeKind::IntType:
    case TypeKind::SymIntType: {
      if (!attribute.has_integers()) return Mistyped(argument);
      const auto& values = attribute.integers().values();
      return IValue(std::vector<int64_t>(values.begin(), values.end()));
    }
    case TypeKind::FloatType: {
      if (attribute.has_integers()) {
        const auto& values = attribute.integers().values();
        return IValue(std::vector<double>(values.begin(), values.end()));
      }
      if (!attribute.has_numbers()) return Mistyped(argument);
      const auto& values = attribute.numbers().values();
      return IValue(std::vector<double>(values.begin(), values.end()));
    }
    default:
      return Refused(argument, "cannot be said in a program");
  }
}

// An argument that is no tensor.
absl::StatusOr<IValue> ValueOf(const v1::Attribute& attribute,
                               const c10::Argument& argument,
                               const c10::Type& type) {
  // The schema knows types as integers; real_type() tells them apart.
  const c10::TypePtr& real = argument.real_type();
  const std::string real_name = real->str();
  if (absl::StrContains(real_name, "ScalarType")) {
    const std::optional<at::ScalarType> scalar_type =
        ScalarTypeOf(attribute.text());
    if (!scalar_type.has_value())
      return Refused(argument, absl::StrCat("is no type that is known: '",
                                            attribute.text(), "'"));
    return IValue(static_cast<int64_t>(*scalar_type));
  }
  if (absl::StrContains(real_name, "Layout") ||
      absl::StrContains(real_name, "MemoryFormat"))
    return Refused(argument, "cannot be said in a program");
  switch (type.kind()) {
    case TypeKind::IntType:
    case TypeKind::SymIntType:
      if (!attribute.has_integer()) return Mistyped(argument);
      return IValue(attribute.integer());
    case TypeKind::FloatType:
      if (attribute.has_integer())
        return IValue(static_cast<double>(attribute.integer()));
      if (!attribute.has_number()) return Mistyped(argument);
      return IValue(attribute.number());
    case TypeKind::BoolType:
      if (!attribute.has_flag()) return Mistyped(argument);
      return IValue(attribute.flag());
    case TypeKind::StringType:
      if (!attribute.has_text()) return Mistyped(argument);
      return IValue(attribute.text());
    case TypeKind::NumberType: {
      const std::optional<at::Scalar> scalar = ScalarOf(attribute);
      if (!scalar.has_value()) return Mistyped(argument);
      return IValue(*scalar);
    }
    case TypeKind::ListType:
      return ListOf(attribute, argument,
                    type.expectRef<c10::ListType>().getElementType()->kind());
    default:
      return Refused(argument, "cannot be said in a program");
  }
}

// What `argument?` is when it is there.
c10::TypePtr WithoutOptional(const c10::TypePtr& type) {
  const auto optional = type->cast<c10::OptionalType>();
  return optional ? optional->getElementType() : type;
}

bool HoldsTensors(const c10::Type& type) {
  if (type.kind() == TypeKind::TensorType) return true;
  if (type.kind() != TypeKind::ListType) return false;
  const c10::TypePtr element =
      WithoutOptional(type.expectRef<c10::ListType>().getElementType());
  return element->kind() == TypeKind::TensorType;
}

const v1::Attribute* Find(const v1::Node& node, absl::string_view name) {
  for (const v1::Attribute& attribute : node.attributes()) {
    if (attribute.name() == name) return &attribute;
  }
  return nullptr;
}

// What the node says of an argument. Some operators have an argument "tensors"
// (cat), which is a list of tensors and so never an attribute.
const v1::Attribute* Said(const v1::Node& node, const c10::Argument& argument) {
  return argument.name() == kTensors ? nullptr : Find(node, argument.name());
}

absl::Status CheckNames(const v1::Node& node,
                        const c10::FunctionSchema& schema) {
  std::set<absl::string_view> known = {kTensors};
  for (const c10::Argument& argument : schema.arguments())
    known.insert(argument.name());
  std::set<absl::string_view> seen;
  for (const v1::Attribute& attribute : node.attributes()) {
    if (known.count(attribute.name()) == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the operator has no argument '", attribute.name(), "'"));
    }
    if (!seen.insert(attribute.name()).second) {
      return absl::InvalidArgumentError(absl::StrCat(
          "argument '", attribute.name(), "' is given a second time"));
    }
  }
  return absl::OkStatus();
}

// A number as ATen itself wraps it: it does not take part in the choice of the
// result's type.
at::Tensor WrappedNumber(const at::Scalar& scalar) {
  at::Tensor tensor = at::scalar_tensor(
      scalar, at::device(at::kCPU).dtype(scalar.isFloatingPoint() ? at::kDouble
                                         : scalar.isBoolean()     ? at::kBool
                                                                  : at::kLong));
  tensor.unsafeGetTensorImpl()->set_wrapped_number(true);
  return tensor;
}

absl::StatusOr<IValue> Unsaid(const c10::Argument& argument) {
  if (argument.default_value().has_value()) return *argument.default_value();
  if (argument.type()->kind() == TypeKind::OptionalType) return IValue();
  return Refused(argument, "is missing");
}

}  // namespace

absl::StatusOr<AtenCall> AtenCall::Bind(const v1::Node& node) {
  absl::string_view name = node.operation();
  if (!absl::ConsumePrefix(&name, "aten.") || !IsAllowedAtenOperator(name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", node.operation(),
                     "' is not among the ATen operators that a program may "
                     "call"));
  }
  const size_t dot = name.rfind('.');
  const absl::string_view overload = name.substr(dot + 1);
  const std::optional<c10::OperatorHandle> found =
      c10::Dispatcher::singleton().findSchema(
          {absl::StrCat("aten::", name.substr(0, dot)),
           overload == "default" ? "" : std::string(overload)});
  if (!found.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("LibTorch has no operator '", name, "'"));
  }
  AtenCall call(*found);
  const c10::FunctionSchema& schema = found->schema();
  AUTOTP_RETURN_IF_ERROR(CheckNames(node, schema));
  // self, mat2, offs: where each group ends.
  if (name == "_grouped_mm.default" && node.inputs_size() > 2 &&
      node.inputs(2) >= 0)
    call.int32_input_ = 2;
  call.counts_in_floats_ = name == "histc.default";
  const v1::Attribute* const counts = Find(node, kTensors);
  if (counts == nullptr || !counts->has_integers())
    return absl::InvalidArgumentError("'tensors' is no list of integers");
  int tensors = 0;
  int next_input = 0;
  for (const c10::Argument& argument : schema.arguments()) {
    const c10::TypePtr type = WithoutOptional(argument.type());
    const v1::Attribute* const attribute = Said(node, argument);
    if (HoldsTensors(*type)) {
      if (tensors == counts->integers().values_size())
        return Refused(argument, "is missing in 'tensors'");
      const int64_t count = counts->integers().values(tensors++);
      if (count < 0 || count > node.inputs_size() - next_input)
        return Refused(argument, "asks for more inputs than the node has");
      AUTOTP_RETURN_IF_ERROR(call.BindTensor(
          node, argument, *type, static_cast<int>(count), &next_input));
      continue;
    }
    AUTOTP_ASSIGN_OR_RETURN(IValue value,
                            attribute == nullptr
                                ? Unsaid(argument)
                                : ValueOf(*attribute, argument, *type));
    call.arguments_.push_back(std::move(value));
  }
  if (next_input != node.inputs_size() ||
      tensors != counts->integers().values_size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the operator takes ", tensors, " tensor arguments and ",
                     next_input, " inputs, the node has ", node.inputs_size()));
  }
  return call;
}

absl::Status AtenCall::BindTensor(const v1::Node& node,
                                  const c10::Argument& argument,
                                  const c10::Type& type, int count,
                                  int* next_input) {
  const v1::Attribute* const attribute = Said(node, argument);
  const bool is_list = type.kind() == TypeKind::ListType;
  const bool takes_absent =
      is_list ? type.expectRef<c10::ListType>().getElementType()->kind() ==
                    TypeKind::OptionalType
              : argument.type()->kind() == TypeKind::OptionalType;
  if (attribute != nullptr) {
    const std::optional<at::Scalar> scalar = ScalarOf(*attribute);
    if (is_list || count != 0 || !scalar.has_value())
      return Refused(argument, "is a tensor, no attribute");
    arguments_.emplace_back(WrappedNumber(*scalar));
    return absl::OkStatus();
  }
  if (!is_list && count != 1 && !(count == 0 && takes_absent))
    return Refused(argument, "takes one tensor");
  for (int i = 0; i < count; ++i) {
    if (node.inputs(*next_input + i) < 0 && !takes_absent)
      return Refused(argument, "cannot be absent");
  }
  arguments_.emplace_back();
  using Form = TensorSlot::Form;
  slots_.push_back({arguments_.size() - 1,
                    !is_list       ? Form::kOne
                    : takes_absent ? Form::kListOfOptional
                                   : Form::kList,
                    *next_input, count});
  *next_input += count;
  return absl::OkStatus();
}

bool AtenCall::ReturnsList() const {
  for (const c10::Argument& result : operation_.schema().returns()) {
    if (result.type()->kind() == TypeKind::ListType) return true;
  }
  return false;
}

std::vector<at::Tensor> AtenCall::Run(
    absl::Span<const at::Tensor> inputs) const {
  std::vector<at::Tensor> narrowed;
  if (int32_input_ >= 0) {
    const bool biased = inputs.size() > 3 && inputs[3].defined();
    if (!biased && NeedsOwnGroupedProduct(inputs[0], inputs[1]))
      return {GroupedProduct(inputs[0], inputs[1], inputs[2])};
    narrowed.assign(inputs.begin(), inputs.end());
    narrowed[int32_input_] = narrowed[int32_input_].to(at::kInt);
    inputs = narrowed;
  }
  const bool counts_integers =
      counts_in_floats_ &&
      c10::isIntegralType(inputs[0].scalar_type(), /*includeBool=*/false);
  if (counts_integers) {
    narrowed.assign(1, inputs[0].to(at::kFloat));
    inputs = narrowed;
  }
  torch::jit::Stack stack = arguments_;
  for (const TensorSlot& slot : slots_) {
    const auto taken = inputs.subspan(slot.first_input, slot.count);
    IValue& argument = stack[slot.argument];
    switch (slot.form) {
      case TensorSlot::Form::kOne:
        if (!taken.empty() && taken[0].defined()) argument = taken[0];
        break;
      case TensorSlot::Form::kList: {
        c10::List<at::Tensor> list;
        for (const at::Tensor& tensor : taken) list.push_back(tensor);
        argument = std::move(list);
        break;
      }
      case TensorSlot::Form::kListOfOptional: {
        c10::List<std::optional<at::Tensor>> list;
        for (const at::Tensor& tensor : taken) {
          list.push_back(tensor.defined() ? std::optional<at::Tensor>(tensor)
                                          : std::nullopt);
        }
        argument = std::move(list);
        break;
      }
    }
  }
  operation_.callBoxed(stack);
  std::vector<at::Tensor> outputs;
  for (IValue& value : stack) {
    if (value.isTensorList()) {
      for (const at::Tensor& tensor : value.toTensorVector())
        outputs.push_back(tensor);
    } else {
      outputs.push_back(std::move(value).toTensor());
    }
  }
  if (counts_integers) outputs[0] = outputs[0].to(at::kLong);
  return outputs;
}

}  // namespace autotp::runtime
