#include "coordinator/program/program.h"

#include "proto/support/check.h"

namespace autotp::program {
namespace {

const Attribute* Find(const Node& node, absl::string_view name) {
  const auto found = node.attributes.find(name);
  return found == node.attributes.end() ? nullptr : &found->second;
}

template <typename T>
const T& Get(const Node& node, absl::string_view name) {
  const Attribute* attribute = Find(node, name);
  AUTOTP_CHECK(attribute != nullptr, NodeName(node), " lacks '", name, "'");
  const T* value = std::get_if<T>(attribute);
  AUTOTP_CHECK(value != nullptr, NodeName(node), " has '", name,
               "' of another type");
  return *value;
}

}  // namespace

std::string NodeName(const Node& node) {
  return node.operation == Operation::kAten
             ? node.aten
             : std::string(OperationName(node.operation));
}

int64_t IntegerOf(const Node& node, absl::string_view name) {
  return Get<int64_t>(node, name);
}

int64_t IntegerOf(const Node& node, absl::string_view name, int64_t fallback) {
  return Find(node, name) == nullptr ? fallback : IntegerOf(node, name);
}

double NumberOf(const Node& node, absl::string_view name) {
  const Attribute* attribute = Find(node, name);
  if (attribute != nullptr && std::holds_alternative<int64_t>(*attribute))
    return static_cast<double>(std::get<int64_t>(*attribute));
  return Get<double>(node, name);
}

double NumberOf(const Node& node, absl::string_view name, double fallback) {
  return Find(node, name) == nullptr ? fallback : NumberOf(node, name);
}

bool FlagOf(const Node& node, absl::string_view name, bool fallback) {
  return Find(node, name) == nullptr ? fallback : Get<bool>(node, name);
}

const std::string& TextOf(const Node& node, absl::string_view name) {
  return Get<std::string>(node, name);
}

const std::vector<int64_t>& IntegersOf(const Node& node,
                                       absl::string_view name) {
  return Get<std::vector<int64_t>>(node, name);
}

const std::vector<double>& NumbersOf(const Node& node, absl::string_view name) {
  return Get<std::vector<double>>(node, name);
}

}  // namespace autotp::program
