#include "worker/checkpoint/safetensors_header.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "proto/support/status_macros.h"

namespace autotp::checkpoint {
namespace {

using nlohmann::json;

constexpr size_t kDimensionsMax = 8;
constexpr int64_t kDataAlignment = 64;
constexpr int64_t kElementsMax = int64_t{1} << 56;

absl::Status Malformed(absl::string_view what) {
  return absl::DataLossError(
      absl::StrCat("not a valid safetensors file: ", what,
                   "; it is damaged or still being downloaded"));
}

std::optional<int64_t> BitsOf(absl::string_view element) {
  static constexpr struct {
    absl::string_view name;
    int64_t bits;
  } kElements[] = {
      {"F32", 32},    {"BF16", 16},       {"F16", 16},        {"F64", 64},
      {"I64", 64},    {"I32", 32},        {"I16", 16},        {"I8", 8},
      {"U64", 64},    {"U32", 32},        {"U16", 16},        {"U8", 8},
      {"BOOL", 8},    {"C64", 64},        {"F8_E4M3", 8},     {"F8_E5M2", 8},
      {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"F4", 4},
      {"F6_E2M3", 6}, {"F6_E3M2", 6},
  };
  for (const auto& [name, bits] : kElements) {
    if (name == element) return bits;
  }
  return std::nullopt;
}

// Notes the first key that an object has twice; the parser would keep one.
class DuplicateKeys {
 public:
  bool operator()(int depth, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) {
      levels_.resize(std::max<size_t>(levels_.size(), depth + 2));
      levels_[depth + 1].clear();
    } else if (event == json::parse_event_t::key) {
      levels_.resize(std::max<size_t>(levels_.size(), depth + 1));
      const auto& key = parsed.get_ref<const std::string&>();
      if (!levels_[depth].insert(key).second && first_.empty()) first_ = key;
    }
    return true;
  }
  const std::string& first() const { return first_; }

 private:
  std::vector<std::set<std::string>> levels_;  // [depth]
  std::string first_;
};

// A number of at most 2^56, or nothing.
std::optional<int64_t> SmallNumber(const json& value) {
  if (!value.is_number_unsigned()) return std::nullopt;
  const uint64_t number = value.get<uint64_t>();
  if (number > static_cast<uint64_t>(kElementsMax)) return std::nullopt;
  return static_cast<int64_t>(number);
}

absl::StatusOr<TensorEntry> ParseEntry(const std::string& name,
                                       const json& value) {
  const auto wrong = [&name](absl::string_view what) {
    return Malformed(absl::StrCat("tensor \"", name, "\": ", what));
  };
  if (!value.is_object() || !value.contains("dtype") ||
      !value["dtype"].is_string() || !value.contains("shape") ||
      !value["shape"].is_array() || !value.contains("data_offsets") ||
      !value["data_offsets"].is_array() || value["data_offsets"].size() != 2) {
    return wrong("lacks dtype, shape or data_offsets");
  }
  TensorEntry entry;
  entry.element = value["dtype"].get<std::string>();
  const std::optional<int64_t> bits = BitsOf(entry.element);
  if (!bits) return wrong(absl::StrCat("unknown dtype ", entry.element));
  if (value["shape"].size() > kDimensionsMax)
    return wrong("more than 8 dimensions");
  int64_t count = 1;
  for (const json& dimension : value["shape"]) {
    const std::optional<int64_t> length = SmallNumber(dimension);
    if (!length || __builtin_mul_overflow(count, *length, &count) ||
        count > kElementsMax) {
      return wrong("impossible shape");
    }
    entry.shape.push_back(*length);
  }
  const std::optional<int64_t> begin = SmallNumber(value["data_offsets"][0]);
  const std::optional<int64_t> end = SmallNumber(value["data_offsets"][1]);
  if (!begin || !end || *end < *begin) return wrong("impossible data_offsets");
  entry.bytes = {*begin, *end};
  if (count * *bits != entry.bytes.size() * 8) {
    return wrong(absl::StrCat(entry.element, " ", DescribeShape(entry.shape),
                              " does not take ", entry.bytes.size(), " bytes"));
  }
  return entry;
}

// Tensors fill the data without overlap or hole.
absl::Status CheckCoverage(const SafetensorsHeader& header,
                           int64_t file_bytes) {
  std::vector<std::pair<Range, absl::string_view>> spans;
  for (const auto& [name, entry] : header.tensors)
    spans.emplace_back(entry.bytes, name);
  std::sort(spans.begin(), spans.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first.begin, a.first.end) <
           std::pair(b.first.begin, b.first.end);
  });
  int64_t at = 0;
  for (const auto& [bytes, name] : spans) {
    if (bytes.begin != at) {
      return Malformed(absl::StrCat(
          "tensor \"", name, "\" begins at byte ", bytes.begin,
          " of the data, ",
          bytes.begin < at ? "inside the one before" : "leaving a hole",
          ", which ends at ", at));
    }
    at = bytes.end;
  }
  const int64_t data_bytes = file_bytes - header.data_begin;
  if (at != data_bytes) {
    return Malformed(absl::StrCat("the tensors take ", at,
                                  " bytes, the file has ", data_bytes,
                                  data_bytes < at ? " (cut short)" : ""));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SafetensorsHeader> ParseHeader(absl::string_view text,
                                              int64_t file_bytes) {
  DuplicateKeys duplicates;
  const json document = json::parse(
      text.begin(), text.end(),
      [&duplicates](int depth, json::parse_event_t event, json& parsed) {
        return duplicates(depth, event, parsed);
      },
      /*allow_exceptions=*/false);
  if (!document.is_object()) return Malformed("the header is no JSON object");
  if (!duplicates.first().empty()) {
    return Malformed(
        absl::StrCat("key \"", duplicates.first(), "\" comes twice"));
  }
  SafetensorsHeader header;
  header.data_begin = 8 + static_cast<int64_t>(text.size());
  for (const auto& [name, value] : document.items()) {
    if (name == "__metadata__") {
      if (!value.is_object()) return Malformed("__metadata__ is no object");
      for (const auto& [key, item] : value.items()) {
        if (!item.is_string())
          return Malformed(
              absl::StrCat("__metadata__ \"", key, "\" is no string"));
        header.metadata[key] = item.get<std::string>();
      }
      continue;
    }
    AUTOTP_ASSIGN_OR_RETURN(header.tensors[name], ParseEntry(name, value));
  }
  AUTOTP_RETURN_IF_ERROR(CheckCoverage(header, file_bytes));
  return header;
}

std::string FormatHeader(
    const std::vector<NamedTensor>& tensors,
    const std::map<std::string, std::string, std::less<>>& metadata) {
  nlohmann::ordered_json document = nlohmann::ordered_json::object();
  // Key by key would search for each key among those before it.
  auto& members = document.get_ref<nlohmann::ordered_json::object_t&>();
  if (!metadata.empty()) {
    nlohmann::ordered_json object = nlohmann::ordered_json::object();
    auto& entries = object.get_ref<nlohmann::ordered_json::object_t&>();
    for (const auto& [key, value] : metadata) entries.push_back({key, value});
    members.push_back({"__metadata__", std::move(object)});
  }
  for (const auto& [name, entry] : tensors) {
    members.push_back(
        {name,
         {{"dtype", entry.element},
          {"shape", entry.shape},
          {"data_offsets", {entry.bytes.begin, entry.bytes.end}}}});
  }
  std::string text = document.dump(
      -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  const size_t size = 8 + text.size();
  text.append((kDataAlignment - size % kDataAlignment) % kDataAlignment, ' ');
  const uint64_t length = text.size();
  std::string bytes(sizeof(length), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes + text;
}

}  // namespace autotp::checkpoint
