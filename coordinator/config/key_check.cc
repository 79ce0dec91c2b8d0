#include "coordinator/config/key_check.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "coordinator/config/auto_values.h"
#include "coordinator/config/written_default.h"
#include "proto/support/nearest.h"

namespace autotp::config {
namespace {

// Two names for one section.
absl::string_view Canonical(absl::string_view section) {
  constexpr std::pair<absl::string_view, absl::string_view> kSame[] = {
      {"bfloat16", "bf16"},
      {"tensor_parallel.tensor_parallel", "tensor_parallel.tp"},
      {"optimizer.params.AdamW", "optimizer.params.Adam"},
      {"optimizer.params.MuAdam", "optimizer.params.Adam"},
      {"optimizer.params.MuAdamW", "optimizer.params.Adam"},
      {"optimizer.params.MuSGD", "optimizer.params.SGD"},
  };
  for (const auto& [other, name] : kSame) {
    if (section == other) return name;
  }
  return section;
}

bool HasTypes(absl::string_view section) {
  return section == "optimizer" || section == "scheduler";
}

// The key; with its section where the key alone says nothing.
std::string NameOf(const KeyEntry& entry) {
  return entry.key == "enabled" ? absl::StrCat(entry.section, ".", entry.key)
                                : std::string(entry.key);
}

bool IsAuto(const JsonNode& value) {
  return value.is_string() && value.text == "auto";
}

class KeyChecker {
 public:
  KeyChecker(const JsonDocument& document, Diagnostics* diagnostics)
      : document_(document), diagnostics_(diagnostics) {}

  // `quiet`: the section does nothing here, so that its keys without effect
  // need no words.
  void CheckObject(absl::string_view section, const JsonNode& object,
                   bool quiet) {
    const bool off = quiet || IsSwitchedOff(section, object);
    for (const JsonMember& member : object.members) {
      CheckMember(section, object, member, off);
    }
  }

 private:
  void CheckMember(absl::string_view section, const JsonNode& object,
                   const JsonMember& member, bool quiet) {
    const KeyEntry* entry = FindKey(section, member.name);
    const SourcePlace place = document_.PlaceOfKey(member);
    if (entry == nullptr) {
      ReportUnknown(section, member, place);
      return;
    }
    const JsonNode& value = member.value;
    if (value.kind == JsonNode::Kind::kNull) return;  // as absent
    const int errors = diagnostics_->errors();
    if (IsAuto(value) && entry->default_value != "\"auto\"") {
      if (CheckAuto(*entry, value)) return;
    } else if (entry->effect != KeyEffect::kRefused) {
      CheckValue(*entry, object, value);
    }
    if (diagnostics_->errors() == errors) {
      quiet = ReportEffect(*entry, value, place, quiet) || quiet;
    }
    Descend(section, object, member, quiet);
  }

  // True if there is no more to say.
  bool CheckAuto(const KeyEntry& entry, const JsonNode& value) {
    const AutoEntry* rule = FindAuto(entry.section, entry.key);
    if (rule != nullptr && rule->derived) return true;  // its reader says how
    if (rule != nullptr) {
      diagnostics_->Error(
          document_.PlaceOf(value), "AUTO_NOT_DERIVABLE",
          absl::StrCat(entry.key, " is \"auto\", which ", rule->text));
      return true;
    }
    if (entry.effect == KeyEffect::kNoEffect) return false;
    diagnostics_->Note(
        document_.PlaceOf(value), "AUTO_IS_DEFAULT",
        absl::StrCat(
            NameOf(entry),
            " is \"auto\", which Hugging Face's trainer fills in; "
            "here it is ",
            entry.default_value.empty() ? "left out" : entry.default_value),
        "write the value that you mean");
    return true;
  }

  // By the entry's type; the readers of what is honoured may be stricter.
  void CheckValue(const KeyEntry& entry, const JsonNode& object,
                  const JsonNode& value) {
    const SectionReader reader(document_, &object, diagnostics_);
    const KeyType& type = entry.type;
    switch (type.kind) {
      case KeyType::Kind::kBoolean:
        reader.Boolean(entry.key);
        break;
      case KeyType::Kind::kInteger:
        reader.Integer(entry.key, AsInteger(type.minimum),
                       AsInteger(type.maximum));
        break;
      case KeyType::Kind::kNumber:
        reader.Number(entry.key, type.minimum, type.maximum);
        break;
      case KeyType::Kind::kText:
        reader.Text(entry.key);
        break;
      case KeyType::Kind::kChoice:
        reader.Choice(entry.key, type.choices);
        break;
      case KeyType::Kind::kList:
        if (!value.is_array()) reader.WrongType(value, "a list is needed");
        break;
      case KeyType::Kind::kSection:
        // DeepSpeed's older form of the section; its reader knows it.
        if (entry.key == "zero_optimization" &&
            value.kind == JsonNode::Kind::kBoolean) {
          break;
        }
        if (!value.is_object()) reader.WrongType(value, "an object is needed");
        break;
      case KeyType::Kind::kAnything:
        break;
    }
  }

  static int64_t AsInteger(double bound) {
    constexpr double kLargest = 9.2e18;
    if (bound > kLargest) return std::numeric_limits<int64_t>::max();
    if (bound < -kLargest) return std::numeric_limits<int64_t>::min();
    return static_cast<int64_t>(bound);
  }

  // True if what is inside the value does nothing either.
  bool ReportEffect(const KeyEntry& entry, const JsonNode& value,
                    const SourcePlace& place, bool quiet) {
    switch (entry.effect) {
      case KeyEffect::kHonoured:
        return false;
      case KeyEffect::kNoEffect:
        if (!quiet && !SaysNothing(document_, entry, value)) {
          diagnostics_->Note(
              place, "KEY_WITHOUT_EFFECT",
              absl::StrCat(NameOf(entry), " has no effect here: it ",
                           entry.text));
        }
        return true;
      case KeyEffect::kRefusedIfEnabled:
        if (!IsEnabled(value) || SaysNothing(document_, entry, value)) {
          return true;
        }
        break;
      case KeyEffect::kRefused:
        break;
    }
    diagnostics_->Error(place, "KEY_REFUSED",
                        absl::StrCat(NameOf(entry), " ", entry.text));
    return true;
  }

  void Descend(absl::string_view section, const JsonNode& object,
               const JsonMember& member, bool quiet) {
    std::string path =
        absl::StrCat(section, section.empty() ? "" : ".", member.name);
    if (HasTypes(section) && member.name == "params") {
      const JsonNode* type = object.Find("type");
      const KeyEntry* row =
          type == nullptr
              ? nullptr
              : FindTypeValue(absl::StrCat(section, ".type"), type->text);
      // Of a type that nobody knows the parameters are not known either; the
      // section's reader says so.
      if (row == nullptr) return;
      absl::StrAppend(&path, ".", row->key);
      quiet = quiet || row->effect != KeyEffect::kHonoured;
    }
    const absl::string_view inner = Canonical(path);
    if (KeysOf(inner).empty()) return;
    CheckObject(inner, member.value, quiet);
    for (const JsonNode& element : member.value.elements) {
      CheckObject(inner, element, quiet);
    }
  }

  void ReportUnknown(absl::string_view section, const JsonMember& member,
                     const SourcePlace& place) {
    const absl::string_view near = Nearest(member.name, KeysOf(section));
    std::string suggestion = "take it out";
    if (!near.empty()) {
      suggestion = absl::StrCat("write \"", near, "\"");
    } else {
      for (const KeyEntry& entry : KeyTable()) {
        if (entry.key != member.name) continue;
        suggestion = entry.section.empty()
                         ? "it belongs at the top level"
                         : absl::StrCat("it belongs into ", entry.section);
        break;
      }
    }
    diagnostics_->Error(
        place, "UNKNOWN_KEY",
        absl::StrCat("unknown key \"", Shortened(member.name), "\" in ",
                     section.empty() ? "the document" : section),
        suggestion);
  }

  const JsonDocument& document_;
  Diagnostics* diagnostics_;
};

}  // namespace

void CheckKeys(const JsonDocument& document, Diagnostics* diagnostics) {
  KeyChecker(document, diagnostics)
      .CheckObject("", document.root(), /*quiet=*/false);
}

const KeyEntry* ReadType(const SectionReader& section, absl::string_view name,
                         absl::string_view reason) {
  const std::string types = absl::StrCat(name, ".type");
  const std::string type = section.Text("type").value_or("");
  const KeyEntry* row = FindTypeValue(types, type);
  // DeepSpeed folds the case of optimizers only.
  if (row != nullptr && name == "scheduler" && row->key != type) row = nullptr;
  if (row != nullptr && row->effect == KeyEffect::kHonoured) return row;
  std::vector<absl::string_view> honoured;
  for (const absl::string_view key : KeysOf(types)) {
    if (FindKey(types, key)->effect == KeyEffect::kHonoured) {
      honoured.push_back(key);
    }
  }
  const std::string names = absl::StrJoin(honoured, ", ");
  const absl::string_view near = Nearest(type, KeysOf(types));
  section.diagnostics()->Error(
      section.PlaceOf("type"), reason,
      type.empty()     ? absl::StrCat(name, " has no type; known: ", names)
      : row != nullptr ? absl::StrCat(name, " \"", row->key, "\" ", row->text)
                       : absl::StrCat(name, " \"", Shortened(type),
                                      "\" is not known; known: ", names),
      absl::StrCat("write \"type\": \"",
                   near.empty() || row != nullptr ? honoured.front() : near,
                   "\""));
  return nullptr;
}

}  // namespace autotp::config
