#include "coordinator/model/huggingface/config_reader.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace autotp::model {
namespace {

using nlohmann::json;

std::vector<std::string> PathOf(absl::string_view key) {
  return absl::StrSplit(key, '/');
}

}  // namespace

const json* ConfigReader::Find(absl::string_view key) const {
  const json* value = &json_.root;
  for (const std::string& name : PathOf(key)) {
    if (!value->is_object()) return nullptr;
    const auto member = value->find(name);
    if (member == value->end() || member->is_null()) return nullptr;
    value = &*member;
  }
  return value;
}

bool ConfigReader::IsNull(absl::string_view key) const {
  return !Has(key) && FindMember(json_.text, PathOf(key)).has_value();
}

Finding ConfigReader::FindingAbout(absl::string_view key,
                                   absl::string_view message,
                                   absl::string_view suggestion) const {
  Finding finding{.reason = "MODEL_CONFIG_INVALID",
                  .file = json_.file,
                  .message = absl::StrCat("'", key, "' ", message),
                  .suggestion = std::string(suggestion),
                  .json_pointer = absl::StrCat("/", key)};
  const std::optional<MemberPlace> place = FindMember(json_.text, PathOf(key));
  if (place.has_value()) SetPlace(json_.text, place->name_begin, &finding);
  return finding;
}

void ConfigReader::Fail(absl::string_view key, absl::string_view message,
                        absl::string_view suggestion) {
  if (status_.ok()) status_ = ToStatus(FindingAbout(key, message, suggestion));
}

v1::Diagnostic ConfigReader::Warning(absl::string_view key,
                                     absl::string_view message,
                                     absl::string_view suggestion) const {
  Finding finding = FindingAbout(key, message, suggestion);
  finding.reason = "MODEL_CONFIG_PARTLY_USED";
  return ToWarning(finding);
}

void ConfigReader::WrongType(absl::string_view key,
                             absl::string_view expected) {
  std::string written =
      Find(key)->dump(-1, ' ', false, json::error_handler_t::replace);
  constexpr size_t kShown = 60;
  if (written.size() > kShown) written = written.substr(0, kShown) + "...";
  Fail(key, absl::StrCat("has to be ", expected, ", got ", written));
}

int64_t ConfigReader::Size(absl::string_view key, int64_t fallback,
                           int64_t most) {
  const json* value = Find(key);
  if (value == nullptr) return fallback;
  const int64_t size = value->is_number_integer() ? value->get<int64_t>() : 0;
  if (size >= 1 && size <= most) return size;
  WrongType(key, absl::StrCat("an integer from 1 to ", most));
  return std::clamp(fallback, int64_t{1}, most);
}

std::optional<int64_t> ConfigReader::Integer(absl::string_view key) {
  const json* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_number_integer()) return value->get<int64_t>();
  WrongType(key, "an integer or null");
  return std::nullopt;
}

double ConfigReader::Number(absl::string_view key, double fallback) {
  const json* value = Find(key);
  if (value == nullptr) return fallback;
  if (value->is_number()) return value->get<double>();
  WrongType(key, "a number");
  return fallback;
}

bool ConfigReader::Flag(absl::string_view key, bool fallback) {
  const json* value = Find(key);
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  WrongType(key, "true or false");
  return fallback;
}

std::string ConfigReader::Text(absl::string_view key,
                               absl::string_view fallback) {
  const json* value = Find(key);
  if (value == nullptr) return std::string(fallback);
  if (value->is_string()) return value->get<std::string>();
  WrongType(key, "a string");
  return std::string(fallback);
}

std::vector<std::string> ConfigReader::Texts(absl::string_view key) {
  const json* value = Find(key);
  std::vector<std::string> texts;
  if (value == nullptr) return texts;
  bool fits = value->is_array();
  if (fits) {
    for (const json& element : *value) {
      fits = fits && element.is_string();
      if (fits) texts.push_back(element.get<std::string>());
    }
  }
  if (!fits) WrongType(key, "a list of strings");
  return texts;
}

std::vector<double> ConfigReader::Numbers(absl::string_view key) {
  const json* value = Find(key);
  std::vector<double> numbers;
  if (value == nullptr) return numbers;
  bool fits = value->is_array();
  if (fits) {
    for (const json& element : *value) {
      fits = fits && element.is_number();
      if (fits) numbers.push_back(element.get<double>());
    }
  }
  if (!fits) WrongType(key, "a list of numbers");
  return numbers;
}

std::vector<std::pair<std::string, std::string>> ConfigReader::TextMembers(
    absl::string_view key) {
  std::vector<std::pair<std::string, std::string>> members;
  const json* value = Find(key);
  if (value == nullptr) return members;
  bool fits = value->is_object();
  if (fits) {
    for (const auto& [name, member] : value->items()) {
      fits = fits && member.is_string();
      if (fits) members.emplace_back(name, member.get<std::string>());
    }
  }
  if (!fits) {
    WrongType(key, "an object of strings");
    return {};
  }
  const auto place = [&](const std::string& name) {
    std::vector<std::string> path = PathOf(key);
    path.push_back(name);
    const std::optional<MemberPlace> found = FindMember(json_.text, path);
    return found.has_value() ? found->name_begin : json_.text.size();
  };
  std::vector<std::pair<size_t, size_t>> order;
  for (size_t i = 0; i < members.size(); ++i)
    order.emplace_back(place(members[i].first), i);
  std::sort(order.begin(), order.end());
  std::vector<std::pair<std::string, std::string>> sorted;
  for (const auto& [position, i] : order) sorted.push_back(members[i]);
  return sorted;
}

bool ConfigReader::IsSection(absl::string_view key) {
  const json* value = Find(key);
  if (value == nullptr) return false;
  if (value->is_object()) return true;
  WrongType(key, "an object");
  return false;
}

}  // namespace autotp::model
