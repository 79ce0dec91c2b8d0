// key_check.cc -- the walk over a document's keys along the key table.
#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "coordinator/config/key_table.h"

namespace autotp::config {
namespace {

size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1,
                         diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

// Two names for one section.
absl::string_view Canonical(absl::string_view section) {
  if (section == "bfloat16") return "bf16";
  if (section == "tensor_parallel.tensor_parallel") return "tensor_parallel.tp";
  return section;
}

bool HasKeys(absl::string_view section) {
  return std::any_of(
      KeyTable().begin(), KeyTable().end(),
      [section](const KeyEntry& entry) { return entry.section == section; });
}

std::vector<absl::string_view> KeysOf(absl::string_view section) {
  std::vector<absl::string_view> keys;
  for (const KeyEntry& entry : KeyTable()) {
    if (entry.section == section) keys.push_back(entry.key);
  }
  return keys;
}

// Whether a value switches on the thing that its key names. A section is on
// if it says so, an offload section if it names a device.
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

class KeyChecker {
 public:
  KeyChecker(const JsonDocument& document, Diagnostics* diagnostics)
      : document_(document), diagnostics_(diagnostics) {}

  void CheckObject(absl::string_view section, const JsonNode& object) {
    for (const JsonMember& member : object.members) {
      CheckMember(section, member);
    }
  }

 private:
  void CheckMember(absl::string_view section, const JsonMember& member) {
    const KeyEntry* entry = FindKey(section, member.name);
    const SourcePlace place = document_.PlaceOfKey(member);
    if (entry == nullptr) {
      ReportUnknown(section, member, place);
      return;
    }
    switch (entry->effect) {
      case KeyEffect::kHonoured:
        break;
      case KeyEffect::kNoEffect:
        diagnostics_->Note(
            place, "KEY_WITHOUT_EFFECT",
            absl::StrCat(member.name, " has no effect here: it ", entry->text));
        return;
      case KeyEffect::kRefusedIfEnabled:
        if (!IsEnabled(member.value)) return;
        [[fallthrough]];
      case KeyEffect::kRefused:
        diagnostics_->Error(place, "KEY_REFUSED",
                            absl::StrCat(member.name, " ", entry->text));
        return;
    }
    Descend(section, member);
  }

  void Descend(absl::string_view section, const JsonMember& member) {
    const std::string path =
        absl::StrCat(section, section.empty() ? "" : ".", member.name);
    const absl::string_view inner = Canonical(path);
    if (member.name == "params" || !HasKeys(inner)) return;
    CheckObject(inner, member.value);
    for (const JsonNode& element : member.value.elements) {
      CheckObject(inner, element);
    }
  }

  void ReportUnknown(absl::string_view section, const JsonMember& member,
                     const SourcePlace& place) {
    const absl::string_view near = Nearest(member.name, KeysOf(section));
    std::string suggestion;
    if (!near.empty()) {
      suggestion = absl::StrCat("write \"", near, "\"");
    } else {
      for (const KeyEntry& entry : KeyTable()) {
        if (entry.key != member.name) continue;
        suggestion = absl::StrCat(
            "it belongs ", entry.section.empty() ? "at the top level" : "into ",
            entry.section);
        break;
      }
    }
    diagnostics_->Error(
        place, "UNKNOWN_KEY",
        absl::StrCat("unknown key \"", member.name, "\" in ",
                     section.empty() ? "the document" : section),
        suggestion.empty() ? "take it out" : suggestion);
  }

  const JsonDocument& document_;
  Diagnostics* diagnostics_;
};

}  // namespace

const KeyEntry* FindKey(absl::string_view section, absl::string_view key) {
  for (const KeyEntry& entry : KeyTable()) {
    if (entry.section == section && entry.key == key) return &entry;
  }
  return nullptr;
}

void CheckKeys(const JsonDocument& document, Diagnostics* diagnostics) {
  CheckSectionKeys(document, "", document.root(), diagnostics);
}

void CheckSectionKeys(const JsonDocument& document, absl::string_view section,
                      const JsonNode& object, Diagnostics* diagnostics) {
  KeyChecker(document, diagnostics).CheckObject(section, object);
}

absl::string_view Nearest(absl::string_view name,
                          const std::vector<absl::string_view>& candidates) {
  const std::string wanted = absl::AsciiStrToLower(name.substr(0, 80));
  absl::string_view best;
  size_t best_distance = 1 + std::max<size_t>(2, wanted.size() / 3);
  for (absl::string_view candidate : candidates) {
    const size_t distance =
        EditDistance(wanted, absl::AsciiStrToLower(candidate));
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace autotp::config
