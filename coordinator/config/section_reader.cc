#include "coordinator/config/section_reader.h"

#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "proto/support/nearest.h"

namespace autotp::config {
namespace {

// The last token of a pointer, which is the key.
absl::string_view KeyOf(const JsonNode& node) {
  const size_t slash = node.pointer.rfind('/');
  return slash == std::string::npos
             ? absl::string_view("the document")
             : absl::string_view(node.pointer).substr(slash + 1);
}

// Doubles beyond this do not hold every integer.
constexpr double kExactIntegers = 9007199254740992.0;

}  // namespace

SectionReader::SectionReader(const JsonDocument& document,
                             const JsonNode* section, Diagnostics* diagnostics)
    : document_(document), section_(section), diagnostics_(diagnostics) {
  if (section_ == nullptr || section_->is_object()) return;
  if (section_->kind != JsonNode::Kind::kNull) {
    WrongType(*section_, "an object is needed");
  }
  section_ = nullptr;
}

const JsonNode* SectionReader::Find(absl::string_view key) const {
  if (section_ == nullptr) return nullptr;
  const JsonNode* node = section_->Find(key);
  if (node == nullptr || node->kind == JsonNode::Kind::kNull) return nullptr;
  if (node->is_string() && node->text == "auto") return nullptr;
  return node;
}

std::optional<double> SectionReader::Numeric(const JsonNode& node) const {
  if (node.kind == JsonNode::Kind::kInteger ||
      node.kind == JsonNode::Kind::kNumber) {
    return node.number;
  }
  double number = 0;
  if (node.is_string() && absl::SimpleAtod(node.text, &number) &&
      std::isfinite(number)) {
    return number;
  }
  return std::nullopt;
}

std::optional<int64_t> SectionReader::Integer(absl::string_view key,
                                              int64_t minimum,
                                              int64_t maximum) const {
  const JsonNode* node = Find(key);
  if (node == nullptr) return std::nullopt;
  int64_t value = node->integer;
  if (node->kind != JsonNode::Kind::kInteger) {
    const std::optional<double> number = Numeric(*node);
    if (!number.has_value() || *number != std::floor(*number)) {
      WrongType(*node, "an integer is needed");
      return std::nullopt;
    }
    if (std::abs(*number) > kExactIntegers) {
      OutOfRange(*node, absl::StrCat("at most ", maximum, " is allowed"));
      return std::nullopt;
    }
    value = static_cast<int64_t>(*number);
  }
  if (value < minimum || value > maximum) {
    OutOfRange(*node, value < minimum
                          ? absl::StrCat("at least ", minimum, " is needed")
                          : absl::StrCat("at most ", maximum, " is allowed"));
    return std::nullopt;
  }
  return value;
}

std::optional<double> SectionReader::Number(absl::string_view key,
                                            double minimum,
                                            double maximum) const {
  const JsonNode* node = Find(key);
  if (node == nullptr) return std::nullopt;
  const std::optional<double> value = Numeric(*node);
  if (!value.has_value()) {
    WrongType(*node, "a number is needed");
    return std::nullopt;
  }
  if (*value < minimum || *value > maximum) {
    OutOfRange(*node, *value < minimum
                          ? absl::StrCat("at least ", minimum, " is needed")
                          : absl::StrCat("at most ", maximum, " is allowed"));
    return std::nullopt;
  }
  return value;
}

std::optional<bool> SectionReader::Boolean(absl::string_view key) const {
  const JsonNode* node = Find(key);
  if (node == nullptr) return std::nullopt;
  if (node->kind != JsonNode::Kind::kBoolean) {
    WrongType(*node, "true or false is needed");
    return std::nullopt;
  }
  return node->boolean;
}

std::optional<std::string> SectionReader::Text(absl::string_view key) const {
  const JsonNode* node = Find(key);
  if (node == nullptr) return std::nullopt;
  if (!node->is_string()) {
    WrongType(*node, "a string is needed");
    return std::nullopt;
  }
  return node->text;
}

std::optional<std::string> SectionReader::Choice(
    absl::string_view key, absl::string_view choices) const {
  const std::optional<std::string> text = Text(key);
  if (!text.has_value()) return std::nullopt;
  std::string lower = absl::AsciiStrToLower(*text);
  const std::vector<absl::string_view> all = absl::StrSplit(choices, '|');
  for (const absl::string_view choice : all) {
    if (absl::EqualsIgnoreCase(choice, lower)) return lower;
  }
  const SourcePlace place = PlaceOf(key);
  if (diagnostics_->Has(place, "UNKNOWN_VALUE")) return std::nullopt;
  const absl::string_view near = Nearest(lower, all);
  diagnostics_->Error(
      place, "UNKNOWN_VALUE",
      absl::StrCat(key, " is ", document_.Written(*Find(key)), "; ",
                   absl::StrJoin(all, ", "), " are allowed"),
      absl::StrCat("write \"", near.empty() ? all.front() : near, "\""));
  return std::nullopt;
}

bool SectionReader::IsAuto(absl::string_view key) const {
  const JsonNode* node = section_ ? section_->Find(key) : nullptr;
  return node != nullptr && node->is_string() && node->text == "auto";
}

void SectionReader::NoteAuto(absl::string_view key, absl::string_view value,
                             absl::string_view why) const {
  diagnostics_->Note(
      PlaceOf(key), "AUTO_DERIVED",
      absl::StrCat(key, " is \"auto\": it is ", value, " here, ", why));
}

SourcePlace SectionReader::PlaceOf(absl::string_view key) const {
  const JsonNode* node = section_ ? section_->Find(key) : nullptr;
  return node ? document_.PlaceOf(*node) : Place();
}

SourcePlace SectionReader::Place() const {
  return document_.PlaceOf(section_ ? *section_ : document_.root());
}

void SectionReader::WrongType(const JsonNode& node,
                              absl::string_view wanted) const {
  ReportOnce(node, "WRONG_TYPE",
             absl::StrCat(KeyOf(node), " is ", document_.Written(node), " (",
                          KindName(node.kind), "); ", wanted));
}

void SectionReader::OutOfRange(const JsonNode& node,
                               absl::string_view wanted) const {
  ReportOnce(
      node, "OUT_OF_RANGE",
      absl::StrCat(KeyOf(node), " is ", document_.Written(node), "; ", wanted));
}

void SectionReader::ReportOnce(const JsonNode& node, absl::string_view reason,
                               std::string message) const {
  const SourcePlace place = document_.PlaceOf(node);
  if (diagnostics_->Has(place, reason)) return;
  diagnostics_->Error(place, reason, std::move(message));
}

}  // namespace autotp::config
