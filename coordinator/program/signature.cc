#include "coordinator/program/signature.h"

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "proto/support/check.h"

namespace autotp::program {
namespace {

// In the order of the alternatives of `Attribute`.
enum class Type { kInteger, kNumber, kFlag, kText, kIntegers, kNumbers };

constexpr absl::string_view kTypeNames[] = {
    "an integer", "a number",           "a flag",
    "a text",     "a list of integers", "a list of numbers"};

struct AttributeSpec {
  absl::string_view name;
  Type type;
  bool required = true;
};

constexpr int kMany = 1 << 20;

struct Signature {
  int required_inputs;
  int most_inputs;
  absl::Span<const AttributeSpec> attributes;
};

constexpr AttributeSpec kCrossEntropy[] = {
    {"shift", Type::kFlag, false},
    {"row_begin", Type::kInteger, false},
    {"row_end", Type::kInteger, false},
};
constexpr AttributeSpec kEmbedding[] = {
    {"padding_idx", Type::kInteger, false},
    {"row_begin", Type::kInteger, false},
    {"row_end", Type::kInteger, false},
};
constexpr AttributeSpec kLinear[] = {
    {"float32", Type::kFlag, false},
    {"transposed", Type::kFlag, false},
};
constexpr AttributeSpec kRmsNorm[] = {
    {"eps", Type::kNumber},
    {"offset", Type::kNumber, false},
    {"size", Type::kInteger, false},
};
constexpr AttributeSpec kEps[] = {{"eps", Type::kNumber}};
constexpr AttributeSpec kRotaryTable[] = {
    {"inv_freq", Type::kNumbers},
    {"length", Type::kInteger},
    {"scale", Type::kNumber, false},
};
constexpr AttributeSpec kRotary[] = {{"interleaved", Type::kFlag, false}};
constexpr AttributeSpec kAlibiTable[] = {
    {"slopes", Type::kNumbers},
    {"length", Type::kInteger},
    {"scale", Type::kNumber, false},
    {"rounded", Type::kFlag, false},
};
constexpr AttributeSpec kAttention[] = {
    {"scale", Type::kNumber},           {"window", Type::kInteger, false},
    {"soft_cap", Type::kNumber, false}, {"dropout", Type::kNumber, false},
    {"stream", Type::kInteger, false},  {"causal", Type::kFlag, false},
    {"size", Type::kInteger, false},    {"intervals", Type::kIntegers, false},
};
constexpr AttributeSpec kActivation[] = {
    {"kind", Type::kText},
    {"limit", Type::kNumber, false},
};
constexpr AttributeSpec kKind[] = {{"kind", Type::kText}};
constexpr AttributeSpec kFactor[] = {
    {"factor", Type::kNumber},
    {"rounded", Type::kFlag, false},
};
constexpr AttributeSpec kDropout[] = {
    {"probability", Type::kNumber},        {"stream", Type::kInteger},
    {"dim", Type::kInteger, false},        {"size", Type::kInteger, false},
    {"intervals", Type::kIntegers, false},
};
constexpr AttributeSpec kShape[] = {{"shape", Type::kIntegers}};
constexpr AttributeSpec kTwoDims[] = {
    {"a", Type::kInteger},
    {"b", Type::kInteger},
};
constexpr AttributeSpec kSlice[] = {
    {"dim", Type::kInteger},
    {"begin", Type::kInteger},
    {"end", Type::kInteger},
};
constexpr AttributeSpec kExpand[] = {
    {"dim", Type::kInteger},
    {"size", Type::kInteger},
};
constexpr AttributeSpec kRouter[] = {
    {"top_k", Type::kInteger},         {"scores", Type::kText},
    {"normalize", Type::kFlag, false}, {"scale", Type::kNumber, false},
    {"groups", Type::kInteger, false}, {"top_groups", Type::kInteger, false},
};
constexpr AttributeSpec kExperts[] = {
    {"kind", Type::kText},
    {"count", Type::kInteger},
};
constexpr AttributeSpec kRouterLoss[] = {{"top_k", Type::kInteger}};
constexpr AttributeSpec kDim[] = {{"dim", Type::kInteger}};
constexpr AttributeSpec kAllGather[] = {
    {"dim", Type::kInteger},
    {"size", Type::kInteger},
    {"intervals", Type::kIntegers},
    {"summed", Type::kFlag, false},
};
constexpr AttributeSpec kReduceScatter[] = {
    {"dim", Type::kInteger},
    {"size", Type::kInteger},
    {"intervals", Type::kIntegers},
    {"rank", Type::kInteger},
};
constexpr AttributeSpec kIntervals[] = {
    {"dim", Type::kInteger},
    {"size", Type::kInteger},
    {"intervals", Type::kIntegers},
};

Signature SignatureOf(Operation operation) {
  switch (operation) {
    case Operation::kEmbedding:
      return {2, 2, kEmbedding};
    case Operation::kLinear:
      return {2, 3, kLinear};
    case Operation::kRmsNorm:
      return {2, 2, kRmsNorm};
    case Operation::kLayerNorm:
      return {1, 3, kEps};
    case Operation::kRotaryTable:
      return {0, 0, kRotaryTable};
    case Operation::kRotary:
      return {3, 3, kRotary};
    case Operation::kAlibiTable:
      return {0, 0, kAlibiTable};
    case Operation::kAttention:
      return {3, 6, kAttention};
    case Operation::kActivation:
      return {1, 1, kActivation};
    case Operation::kGatedActivation:
      return {2, 2, kKind};
    case Operation::kAdd:
    case Operation::kMul:
      return {2, 2, {}};
    case Operation::kScale:
      return {1, 1, kFactor};
    case Operation::kDropout:
      return {1, 1, kDropout};
    case Operation::kReshape:
      return {1, 1, kShape};
    case Operation::kTranspose:
      return {1, 1, kTwoDims};
    case Operation::kSlice:
      return {1, 1, kSlice};
    case Operation::kConcat:
      return {1, kMany, kDim};
    case Operation::kStack:
      return {1, kMany, {}};
    case Operation::kExpand:
      return {1, 1, kExpand};
    case Operation::kRouter:
      return {1, 2, kRouter};
    case Operation::kExperts:
      return {6, kMany, kExperts};
    case Operation::kRouterLoss:
      return {1, kMany, kRouterLoss};
    case Operation::kCrossEntropy:
      return {2, 2, kCrossEntropy};
    case Operation::kAten:
      return {0, kMany, {}};
    case Operation::kCopy:
    case Operation::kAllReduce:
      return {1, 1, {}};
    case Operation::kAllGather:
      return {1, 1, kAllGather};
    case Operation::kReduceScatter:
      return {1, 1, kReduceScatter};
    case Operation::kTake:
      return {1, 1, kIntervals};
  }
  AUTOTP_CHECK(false, "operation ", static_cast<int>(operation));
  return {};
}

bool Fits(const Attribute& attribute, Type type) {
  if (attribute.index() == static_cast<size_t>(type)) return true;
  return type == Type::kNumber && std::holds_alternative<int64_t>(attribute);
}

absl::Status CheckInputs(const Node& node, const Signature& signature) {
  const int given = static_cast<int>(node.inputs.size());
  if (given < signature.required_inputs || given > signature.most_inputs) {
    return absl::InvalidArgumentError(
        absl::StrCat("takes ", signature.required_inputs, " to ",
                     signature.most_inputs, " inputs, got ", given));
  }
  for (int i = 0; i < given; ++i) {
    const bool optional =
        signature.most_inputs != kMany && i >= signature.required_inputs;
    if (node.inputs[i] == kNoValue && !optional) {
      return absl::InvalidArgumentError(
          absl::StrCat("input ", i, " is absent"));
    }
  }
  return absl::OkStatus();
}

// The names and types of its arguments are the schema's, which the worker has.
absl::Status CheckAten(const Node& node) {
  if (!absl::StartsWith(node.aten, "aten."))
    return absl::InvalidArgumentError("names no ATen operation");
  const auto found = node.attributes.find("tensors");
  const auto* counts = found == node.attributes.end()
                           ? nullptr
                           : std::get_if<std::vector<int64_t>>(&found->second);
  if (counts == nullptr) {
    return absl::InvalidArgumentError(
        "attribute 'tensors', a list of integers, is missing");
  }
  int64_t inputs = 0;
  for (const int64_t count : *counts) {
    if (count < 0 || count > kMany)
      return absl::InvalidArgumentError("attribute 'tensors' counts wrongly");
    inputs += count;
  }
  if (inputs == static_cast<int64_t>(node.inputs.size()))
    return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("attribute 'tensors' counts ",
                                                 inputs, " inputs, there are ",
                                                 node.inputs.size()));
}

}  // namespace

absl::Status CheckSignature(const Node& node) {
  if (node.operation == Operation::kAten) return CheckAten(node);
  const Signature signature = SignatureOf(node.operation);
  if (absl::Status status = CheckInputs(node, signature); !status.ok())
    return status;
  size_t known = 0;
  for (const AttributeSpec& spec : signature.attributes) {
    const auto found = node.attributes.find(spec.name);
    if (found == node.attributes.end()) {
      if (!spec.required) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("attribute '", spec.name, "' is missing"));
    }
    ++known;
    if (!Fits(found->second, spec.type)) {
      return absl::InvalidArgumentError(
          absl::StrCat("attribute '", spec.name, "' has to be ",
                       kTypeNames[static_cast<size_t>(spec.type)], ", not ",
                       kTypeNames[found->second.index()]));
    }
  }
  if (known == node.attributes.size()) return absl::OkStatus();
  for (const auto& [name, value] : node.attributes) {
    bool expected = false;
    for (const AttributeSpec& spec : signature.attributes)
      expected = expected || spec.name == name;
    if (!expected) {
      return absl::InvalidArgumentError(
          absl::StrCat("attribute '", name, "' is unknown"));
    }
  }
  return absl::OkStatus();
}

}  // namespace autotp::program
