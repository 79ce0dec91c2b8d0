#include "coordinator/model/huggingface/json_text.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"

namespace autotp::model {
namespace {

using nlohmann::json;

size_t SkipSpace(absl::string_view text, size_t at) {
  while (at < text.size() && (text[at] == ' ' || text[at] == '\t' ||
                              text[at] == '\r' || text[at] == '\n')) {
    ++at;
  }
  return at;
}

// `at` is the opening quote; returns the place behind the closing one.
size_t SkipString(absl::string_view text, size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at)
    if (text[at] == '\\') ++at;
  return at + 1;
}

size_t SkipValue(absl::string_view text, size_t at) {
  int depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = SkipString(text, at);
      if (depth == 0) return at;
      continue;
    }
    if (depth == 0 && (c == ',' || c == '}' || c == ']' || c == ' ' ||
                       c == '\t' || c == '\r' || c == '\n')) {
      return at;
    }
    if (c == '{' || c == '[') ++depth;
    ++at;
    if ((c == '}' || c == ']') && --depth == 0) return at;
  }
  return at;
}

// The last member `name` of the object that begins at `at`.
std::optional<MemberPlace> FindInObject(absl::string_view text, size_t at,
                                        absl::string_view name) {
  std::optional<MemberPlace> found;
  if (at >= text.size() || text[at] != '{') return found;
  at = SkipSpace(text, at + 1);
  while (at < text.size() && text[at] == '"') {
    const size_t name_end = SkipString(text, at);
    MemberPlace place;
    place.name_begin = at;
    place.value_begin = SkipSpace(text, SkipSpace(text, name_end) + 1);
    place.value_end = SkipValue(text, place.value_begin);
    if (text.substr(at + 1, name_end - at - 2) == name) found = place;
    at = SkipSpace(text, place.value_end);
    if (at < text.size() && text[at] == ',') at = SkipSpace(text, at + 1);
  }
  return found;
}

// What nlohmann says, without its own name and place.
std::string Reason(const json::exception& error) {
  const absl::string_view what = error.what();
  const size_t colon = what.find(": ");
  return std::string(colon == what.npos ? what : what.substr(colon + 2));
}

// Collects the names of each open object, to find one that comes twice.
class NameWatch {
 public:
  bool See(json::parse_event_t event, const json& parsed) {
    if (event == json::parse_event_t::object_start) open_.emplace_back();
    if (event == json::parse_event_t::object_end) open_.pop_back();
    if (event == json::parse_event_t::key && twice_.empty()) {
      const auto& name = parsed.get_ref<const std::string&>();
      if (!open_.back().insert(name).second) twice_ = name;
    }
    return true;
  }
  const std::string& twice() const { return twice_; }

 private:
  std::vector<std::set<std::string>> open_;
  std::string twice_;
};

}  // namespace

absl::StatusOr<std::string> ReadTextFile(const std::string& path,
                                         size_t most_bytes) {
  Finding finding{.reason = "MODEL_FILE_UNREADABLE", .file = path};
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    finding.message = "is missing or no regular file";
    return ToStatus(finding, absl::StatusCode::kNotFound);
  }
  const uintmax_t size = std::filesystem::file_size(path, error);
  if (error || size > most_bytes) {
    finding.message = error ? absl::StrCat("cannot be read: ", error.message())
                            : absl::StrCat("has ", size, " bytes, more than ",
                                           most_bytes, " are not expected");
    return ToStatus(finding);
  }
  std::ifstream in(path, std::ios::binary);
  std::string text(size, '\0');
  if (!in.read(text.data(), static_cast<std::streamsize>(size))) {
    finding.message = "cannot be read: check its permissions";
    return ToStatus(finding);
  }
  return text;
}

absl::StatusOr<json> ParseJson(const std::string& file, absl::string_view text,
                               bool unique_names) {
  Finding finding{.reason = "MODEL_JSON_INVALID", .file = file};
  try {
    NameWatch names;
    const auto watch = [&names](int, json::parse_event_t event, json& parsed) {
      return names.See(event, parsed);
    };
    json root = unique_names ? json::parse(text.begin(), text.end(), watch)
                             : json::parse(text.begin(), text.end());
    if (names.twice().empty()) return root;
    finding.message = absl::StrCat("the name '", names.twice(),
                                   "' appears twice in one object");
  } catch (const json::parse_error& error) {
    SetPlace(text, error.byte == 0 ? 0 : error.byte - 1, &finding);
    finding.message = absl::StrCat("is not valid JSON: ", Reason(error));
  } catch (const json::exception& error) {
    finding.message = absl::StrCat("is not valid JSON: ", Reason(error));
  }
  return ToStatus(finding);
}

absl::StatusOr<JsonText> ReadJsonFile(const std::string& path,
                                      size_t most_bytes) {
  JsonText json_text;
  json_text.file = path;
  AUTOTP_ASSIGN_OR_RETURN(json_text.text, ReadTextFile(path, most_bytes));
  AUTOTP_ASSIGN_OR_RETURN(json_text.root, ParseJson(path, json_text.text));
  if (json_text.root.is_object()) return json_text;
  return ToStatus({.reason = "MODEL_JSON_INVALID",
                   .file = path,
                   .message = absl::StrCat("has to hold a JSON object, not ",
                                           json_text.root.type_name())});
}

std::optional<MemberPlace> FindMember(absl::string_view text,
                                      absl::Span<const std::string> path) {
  std::optional<MemberPlace> place;
  constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";
  size_t at = text.substr(0, 3) == kByteOrderMark ? 3 : 0;
  at = SkipSpace(text, at);
  for (const std::string& name : path) {
    place = FindInObject(text, at, name);
    if (!place.has_value()) return std::nullopt;
    at = place->value_begin;
  }
  return place;
}

void SetPlace(absl::string_view text, size_t offset, Finding* finding) {
  int line = 1;
  int column = 1;
  for (size_t i = 0; i < offset && i < text.size(); ++i) {
    if (text[i] == '\n') {
      ++line;
      column = 1;
    } else if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) {
      ++column;
    }
  }
  finding->line = line;
  finding->column = column;
}

}  // namespace autotp::model
