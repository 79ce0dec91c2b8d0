// effective_values.cc -- where each value of the effective config comes from.
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "coordinator/config/auto_values.h"
#include "coordinator/config/effective_config.h"
#include "proto/support/check.h"

namespace autotp::config {
namespace {

using Json = nlohmann::ordered_json;

// What a value that nobody wrote follows from; empty for a default.
std::string DerivedFrom(const JsonDocument& document,
                        absl::string_view pointer) {
  const auto type = [&document](absl::string_view section) {
    const JsonNode* node = document.root().Find(section);
    const JsonNode* value = node == nullptr ? nullptr : node->Find("type");
    return value == nullptr ? std::string() : value->text;
  };
  if (pointer == "/train_batch_size" ||
      pointer == "/train_micro_batch_size_per_gpu" ||
      pointer == "/gradient_accumulation_steps") {
    return "the other batch sizes and the data-parallel size";
  }
  if (pointer == "/scheduler/params/warmup_max_lr" &&
      type("scheduler") == "WarmupLR") {
    return "the optimizer's lr";
  }
  if (pointer == "/optimizer/params/adam_w_mode" &&
      !type("optimizer").empty()) {
    return absl::StrCat("type ", type("optimizer"));
  }
  return "";
}

class Origins {
 public:
  Origins(const JsonDocument& written, const Json& effective)
      : written_(written), effective_(effective) {}

  // `user`: what stands there in the user's file; null for nothing.
  void Walk(const JsonNode& node, const JsonNode* user) {
    if (!node.is_object()) {
      AddValue(node, user);
      return;
    }
    for (const JsonMember& member : node.members) {
      Walk(member.value, Counterpart(member.name, user));
    }
  }

  std::vector<v1::ConfigValue> Take() { return std::move(values_); }

 private:
  static const JsonNode* Counterpart(absl::string_view name,
                                     const JsonNode* user) {
    if (user == nullptr) return nullptr;
    // "zero_optimization": true says a stage.
    if (user->kind == JsonNode::Kind::kBoolean && name == "stage") return user;
    const JsonNode* found = user->Find(name);
    if (found == nullptr && name == "bf16") found = user->Find("bfloat16");
    return found;
  }

  void AddValue(const JsonNode& node, const JsonNode* user) {
    v1::ConfigValue& value = values_.emplace_back();
    value.set_json_pointer(node.pointer);
    value.set_value(effective_.at(Json::json_pointer(node.pointer)).dump());
    if (user != nullptr && user->kind != JsonNode::Kind::kNull) {
      value.set_line(written_.PlaceOf(*user).line);
    }
    const std::string derived = DerivedFrom(written_, node.pointer);
    if (value.line() == 0) {
      value.set_origin(derived.empty() ? v1::ConfigValue::ORIGIN_DEFAULT
                                       : v1::ConfigValue::ORIGIN_DERIVED);
      value.set_detail(derived);
    } else if (user->is_string() && user->text == "auto") {
      value.set_origin(v1::ConfigValue::ORIGIN_AUTO);
      value.set_detail(AutoFrom(node.pointer));
    } else {
      value.set_origin(v1::ConfigValue::ORIGIN_FILE);
      if (!Same(node, *user)) {
        value.set_detail(absl::StrCat("written ", written_.Written(*user)));
      }
    }
  }

  static std::string AutoFrom(absl::string_view pointer) {
    const std::string path =
        absl::StrReplaceAll(absl::StripPrefix(pointer, "/"), {{"/", "."}});
    const size_t dot = path.rfind('.');
    const AutoEntry* rule =
        dot == std::string::npos
            ? FindAuto("", path)
            : FindAuto(path.substr(0, dot), path.substr(dot + 1));
    return rule == nullptr ? "the default" : std::string(rule->text);
  }

  // Whether the user's value reads as the effective one at a glance.
  static bool Same(const JsonNode& node, const JsonNode& user) {
    if (node.is_array()) return true;
    if (node.is_string() != user.is_string()) return false;
    return node.text == user.text && node.boolean == user.boolean &&
           node.number == user.number;
  }

  const JsonDocument& written_;
  const Json& effective_;
  std::vector<v1::ConfigValue> values_;
};

}  // namespace

std::vector<v1::ConfigValue> EffectiveValues(
    const JsonDocument& document, const std::string& effective_json) {
  Diagnostics unused;
  const std::optional<JsonDocument> effective =
      JsonDocument::Parse(effective_json, "effective", &unused);
  AUTOTP_CHECK(effective.has_value(), effective_json);
  const Json values = Json::parse(effective_json);
  Origins origins(document, values);
  origins.Walk(effective->root(), &document.root());
  return origins.Take();
}

}  // namespace autotp::config
