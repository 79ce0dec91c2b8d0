#include "coordinator/config/written_default.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace autotp::config {

bool IsEnabled(const JsonNode& value) {
  switch (value.kind) {
    case JsonNode::Kind::kNull:
      return false;
    case JsonNode::Kind::kBoolean:
      return value.boolean;
    case JsonNode::Kind::kInteger:
    case JsonNode::Kind::kNumber:
      return value.number != 0;
    case JsonNode::Kind::kString: {
      const std::string text = absl::AsciiStrToLower(value.text);
      return text != "none" && text != "auto" && !text.empty();
    }
    case JsonNode::Kind::kArray:
      return !value.elements.empty();
    case JsonNode::Kind::kObject:
      break;
  }
  for (absl::string_view key : {"enabled", "device"}) {
    if (const JsonNode* inner = value.Find(key)) return IsEnabled(*inner);
  }
  return false;
}

bool IsSwitchedOff(absl::string_view section, const JsonNode& object) {
  const KeyEntry* entry = FindKey(section, "enabled");
  if (entry == nullptr) return false;
  const JsonNode* value = object.Find("enabled");
  return value == nullptr ? entry->default_value == "false"
                          : !IsEnabled(*value);
}

bool SaysNothing(const JsonDocument& document, const KeyEntry& entry,
                 const JsonNode& value) {
  const absl::string_view standard = entry.default_value;
  switch (value.kind) {
    case JsonNode::Kind::kNull:
      return true;
    case JsonNode::Kind::kBoolean:
      return standard == (value.boolean ? "true" : "false");
    case JsonNode::Kind::kInteger:
    case JsonNode::Kind::kNumber: {
      double number = 0;
      return absl::SimpleAtod(standard, &number) && number == value.number;
    }
    case JsonNode::Kind::kString:
      return absl::EqualsIgnoreCase(standard,
                                    absl::StrCat("\"", value.text, "\""));
    case JsonNode::Kind::kArray:
      return standard == document.Written(value);
    case JsonNode::Kind::kObject:
      break;
  }
  const std::string section =
      absl::StrCat(entry.section, entry.section.empty() ? "" : ".", entry.key);
  if (IsSwitchedOff(section, value)) return true;
  for (const JsonMember& member : value.members) {
    const KeyEntry* inner = FindKey(section, member.name);
    if (inner == nullptr || !SaysNothing(document, *inner, member.value)) {
      return false;
    }
  }
  return true;
}

}  // namespace autotp::config
