#include "worker/runtime/operations/aten_limits.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/eq.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "proto/support/status_macros.h"
#include "worker/runtime/attributes.h"

namespace autotp::runtime {
namespace {

// Small numbers are always fine: dimensions, kernel sizes, ignored labels.
constexpr int64_t kSmall = 1024;

absl::Status Refused(absl::string_view why) {
  return absl::InvalidArgumentError(why);
}

// `name` without the overload: "aten.split.Tensor" -> "split".
absl::string_view Stem(absl::string_view operation) {
  operation.remove_prefix(std::min<size_t>(operation.size(), 5));
  return operation.substr(0, operation.rfind('.'));
}

absl::StatusOr<int64_t> ElementCount(const v1::Value& value) {
  int64_t count = 1;
  for (const int64_t size : value.shape()) {
    if (size < 0) return Refused("a value has a negative size");
    if (size > kValueElementsMax || count > kValueElementsMax) break;
    count *= size;
  }
  for (const int64_t size : value.shape()) {
    if (size > kValueElementsMax) count = size;
  }
  if (count > kValueElementsMax) {
    return Refused(
        absl::StrCat("a value of shape [", absl::StrJoin(value.shape(), ","),
                     "] is beyond ", kValueElementsMax, " elements"));
  }
  return count;
}

at::ScalarType MetaType(v1::Value::Kind kind) {
  if (kind == v1::Value::KIND_INDEX) return at::kLong;
  if (kind == v1::Value::KIND_BOOL) return at::kBool;
  return at::kFloat;
}

// How many tensors a node's list will have, as far as that is not bounded by
// its inputs: a hostile one would fill the memory with empty tensors.
absl::StatusOr<int64_t> ListLength(const NodeInfo& info) {
  const Attributes attributes(info.node);
  const absl::string_view stem = Stem(info.node.operation());
  const auto& shape = info.program.values(info.node.inputs(0)).shape();
  const auto size_of = [&](int64_t dim) -> absl::StatusOr<int64_t> {
    if (dim < 0) dim += shape.size();
    if (dim < 0 || dim >= shape.size())
      return Refused("argument 'dim' is no dimension of the input");
    return shape.Get(static_cast<int>(dim));
  };
  if (attributes.Has("split_sizes")) {
    AUTOTP_ASSIGN_OR_RETURN(const auto sizes,
                            attributes.Integers("split_sizes"));
    return static_cast<int64_t>(sizes.size());
  }
  if (stem == "meshgrid" || stem == "broadcast_tensors")
    return info.node.inputs_size();
  AUTOTP_ASSIGN_OR_RETURN(const int64_t dim, attributes.Integer("dim", 0));
  AUTOTP_ASSIGN_OR_RETURN(const int64_t size, size_of(dim));
  if (attributes.Has("split_size")) {
    // split.sizes has a list of that name.
    if (const auto sizes = attributes.Integers("split_size"); sizes.ok())
      return static_cast<int64_t>(sizes->size());
    AUTOTP_ASSIGN_OR_RETURN(const int64_t piece,
                            attributes.Integer("split_size"));
    if (piece < 1) return Refused("argument 'split_size' is below 1");
    return std::max<int64_t>(1, size / piece + (size % piece != 0));
  }
  for (const char* name : {"chunks", "sections"}) {
    if (!attributes.Has(name)) continue;
    AUTOTP_ASSIGN_OR_RETURN(const int64_t pieces, attributes.Integer(name));
    // chunk() may make fewer, tensor_split() makes empty ones.
    return absl::string_view(name) == "chunks" ? std::min(pieces, size)
                                               : pieces;
  }
  if (attributes.Has("indices")) {
    AUTOTP_ASSIGN_OR_RETURN(const auto indices, attributes.Integers("indices"));
    return static_cast<int64_t>(indices.size()) + 1;
  }
  return size;  // unbind
}

// What these operators do with some arguments has effects elsewhere, or a
// result whose size only the data know.
absl::Status CheckArguments(const NodeInfo& info) {
  const v1::Node& node = info.node;
  const Attributes attributes(node);
  const absl::string_view stem = Stem(node.operation());
  if (stem == "embedding") {
    AUTOTP_ASSIGN_OR_RETURN(const bool sparse,
                            attributes.Flag("sparse", false));
    if (sparse) return Refused("argument 'sparse' has to be left out");
  }
  if (stem == "one_hot") {
    AUTOTP_ASSIGN_OR_RETURN(const int64_t classes,
                            attributes.Integer("num_classes", -1));
    if (classes < 1) return Refused("argument 'num_classes' has to be given");
  }
  if (absl::StartsWith(node.operation(), "aten.repeat_interleave.") &&
      !absl::EndsWith(node.operation(), "self_int") &&
      !attributes.Has("output_size")) {
    return Refused("argument 'output_size' has to be given");
  }
  if (stem == "batch_norm") {
    AUTOTP_ASSIGN_OR_RETURN(const bool training,
                            attributes.Flag("training", false));
    // input, weight, bias, running_mean, running_var
    const bool running =
        node.inputs_size() == 5 && (node.inputs(3) >= 0 || node.inputs(4) >= 0);
    if (training && running) {
      return Refused(
          "it would write its running statistics: export the module with "
          "track_running_stats=False, or in eval mode");
    }
  }
  if (stem == "dropout") {
    AUTOTP_ASSIGN_OR_RETURN(const bool train, attributes.Flag("train", false));
    AUTOTP_ASSIGN_OR_RETURN(const double p, attributes.Number("p", 0));
    if (train && p != 0) return Refused("dropout is an operation of its own");
  }
  if (stem == "scaled_dot_product_attention") {
    AUTOTP_ASSIGN_OR_RETURN(const double p, attributes.Number("dropout_p", 0));
    if (p != 0) return Refused("dropout is an operation of its own");
  }
  return absl::OkStatus();
}

absl::Status CheckIntegers(const v1::Node& node, int64_t largest) {
  const int64_t limit = std::max(kSmall, largest);
  const auto check = [&](const std::string& name, int64_t value) {
    return value <= limit && value >= -limit
               ? absl::OkStatus()
               : Refused(absl::StrCat("argument '", name, "' is ", value,
                                      ", beyond all sizes of its values"));
  };
  for (const v1::Attribute& attribute : node.attributes()) {
    if (attribute.has_integer())
      AUTOTP_RETURN_IF_ERROR(check(attribute.name(), attribute.integer()));
    for (const int64_t value : attribute.integers().values())
      AUTOTP_RETURN_IF_ERROR(check(attribute.name(), value));
  }
  return absl::OkStatus();
}

// The outputs on the meta device; nullopt: the operator cannot say.
absl::StatusOr<std::optional<std::vector<at::Tensor>>> MetaOutputs(
    const NodeInfo& info, const AtenCall& call) {
  try {
    std::vector<at::Tensor> inputs;
    for (const int id : info.node.inputs()) {
      if (id < 0) {
        inputs.emplace_back();
        continue;
      }
      const v1::Value& value = info.program.values(id);
      inputs.push_back(at::empty(
          std::vector<int64_t>(value.shape().begin(), value.shape().end()),
          at::device(at::kMeta).dtype(MetaType(value.kind()))));
    }
    return call.Run(inputs);
  } catch (const c10::NotImplementedError&) {
    return std::nullopt;
  } catch (const c10::Error& error) {
    const absl::string_view what = error.what_without_backtrace();
    // It wanted to look at numbers.
    if (absl::StrContains(what, "meta")) return std::nullopt;
    return Refused(what.substr(0, what.find('\n')));
  }
}

bool IsOfKind(at::ScalarType type, v1::Value::Kind kind) {
  if (kind == v1::Value::KIND_BOOL) return type == at::kBool;
  if (kind == v1::Value::KIND_INDEX)
    return c10::isIntegralType(type, /*includeBool=*/false);
  return c10::isFloatingType(type);
}

}  // namespace

std::vector<StatedOutput> StatedOutputs(const NodeInfo& info) {
  std::vector<StatedOutput> stated;
  for (const int id : info.node.outputs()) {
    const v1::Value& value = info.program.values(id);
    stated.push_back(
        {{value.shape().begin(), value.shape().end()}, value.kind()});
  }
  return stated;
}

absl::Status CheckOutputs(absl::Span<const at::Tensor> outputs,
                          absl::Span<const StatedOutput> stated) {
  if (outputs.size() != stated.size()) {
    return Refused(absl::StrCat("it makes ", outputs.size(),
                                " tensors, the program says ", stated.size()));
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].sizes() != at::IntArrayRef(stated[i].shape)) {
      return Refused(absl::StrCat(
          "output ", i, " has shape [", absl::StrJoin(outputs[i].sizes(), ","),
          "], the program says [", absl::StrJoin(stated[i].shape, ","), "]"));
    }
    if (!IsOfKind(outputs[i].scalar_type(), stated[i].kind)) {
      return Refused(absl::StrCat(
          "output ", i, " is of type ", c10::toString(outputs[i].scalar_type()),
          ", the program says ", v1::Value::Kind_Name(stated[i].kind)));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckAtenNode(const NodeInfo& info, const AtenCall& call) {
  int64_t largest = 0;
  for (const auto* ids : {&info.node.inputs(), &info.node.outputs()}) {
    for (const int id : *ids) {
      if (id < 0) continue;
      AUTOTP_ASSIGN_OR_RETURN(const int64_t count,
                              ElementCount(info.program.values(id)));
      largest = std::max(largest, count);
    }
  }
  AUTOTP_RETURN_IF_ERROR(CheckArguments(info));
  if (call.ReturnsList() && info.node.inputs_size() > 0) {
    AUTOTP_ASSIGN_OR_RETURN(const int64_t length, ListLength(info));
    if (length > info.node.outputs_size()) {
      return Refused(absl::StrCat("it makes ", length,
                                  " tensors, the program says ",
                                  info.node.outputs_size()));
    }
  }
  AUTOTP_ASSIGN_OR_RETURN(const auto outputs, MetaOutputs(info, call));
  if (!outputs.has_value()) return CheckIntegers(info.node, largest);
  return CheckOutputs(*outputs, StatedOutputs(info));
}

absl::Status CheckDivision(const v1::Node& node,
                           absl::Span<const at::Tensor> inputs) {
  const absl::string_view stem = Stem(node.operation());
  if (stem != "floor_divide" && stem != "remainder" && stem != "fmod" &&
      stem != "div" && stem != "divide")
    return absl::OkStatus();
  constexpr int64_t kSmallest = std::numeric_limits<int64_t>::min();
  bool smallest = false;
  for (const at::Tensor& input : inputs) {
    if (!input.defined() ||
        !c10::isIntegralType(input.scalar_type(), /*includeBool=*/false))
      continue;
    smallest |= input.eq(kSmallest).any().item<bool>();
  }
  for (const v1::Attribute& attribute : node.attributes())
    smallest |= attribute.has_integer() && attribute.integer() == kSmallest;
  return smallest ? Refused("it divides the smallest integer")
                  : absl::OkStatus();
}

}  // namespace autotp::runtime
