#include "coordinator/model/exported/program_json.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/numeric/int128.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "coordinator/model/finding.h"
#include "coordinator/model/utf8.h"
#include "proto/support/status_macros.h"

namespace autotp::model {

using nlohmann::json;
using program::Attribute;
using program::kMostDims;
using program::kMostElements;

namespace {

constexpr size_t kMostEntries = 1 << 20;  // of a list

}  // namespace

absl::Status ProgramJson::Wrong(const std::string& pointer,
                                const std::string& message,
                                const std::string& suggestion) const {
  return ToStatus({.reason = "MODEL_PROGRAM_INVALID",
                   .file = path_,
                   .message = message,
                   .suggestion = suggestion,
                   .json_pointer = pointer});
}

absl::StatusOr<const json*> ProgramJson::Member(const json& object,
                                                const char* name,
                                                const std::string& at) const {
  const auto found = object.find(name);
  if (found == object.end())
    return Wrong(absl::StrCat(at, "/", name), "is missing");
  return &*found;
}

absl::StatusOr<const json*> ProgramJson::List(const json& object,
                                              const char* name,
                                              const std::string& at) const {
  AUTOTP_ASSIGN_OR_RETURN(const json* list, Member(object, name, at));
  if (!list->is_array() || list->size() > kMostEntries)
    return Wrong(absl::StrCat(at, "/", name), "has to be a list");
  return list;
}

absl::StatusOr<std::string> ProgramJson::Text(const json& object,
                                              const char* name,
                                              const std::string& at) const {
  AUTOTP_ASSIGN_OR_RETURN(const json* text, Member(object, name, at));
  return TextOf(*text, absl::StrCat(at, "/", name));
}

absl::StatusOr<std::string> ProgramJson::TextOf(const json& text,
                                                const std::string& at) const {
  if (!text.is_string() || !IsUtf8(text.get_ref<const std::string&>()))
    return Wrong(at, "has to be a text");
  return text.get<std::string>();
}

absl::StatusOr<int64_t> ProgramJson::Integer(const json& object,
                                             const char* name,
                                             const std::string& at) const {
  AUTOTP_ASSIGN_OR_RETURN(const json* number, Member(object, name, at));
  return IntegerOf(*number, absl::StrCat(at, "/", name));
}

absl::StatusOr<int64_t> ProgramJson::IntegerOf(const json& number,
                                               const std::string& at) const {
  const bool fits =
      number.is_number_integer() &&
      (!number.is_number_unsigned() ||
       number.get<uint64_t>() <=
           static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
  if (!fits) return Wrong(at, "has to be an integer");
  return number.get<int64_t>();
}

absl::StatusOr<int64_t> ProgramJson::SizeOf(const json& size,
                                            const std::string& at) const {
  if (!size.is_object()) return IntegerOf(size, at);
  const absl::int128 batch = sizes_.micro_batch;
  const absl::int128 tokens = sizes_.sequence_length;
  absl::int128 sum = 0;
  for (const auto& [name, factor] : size.items()) {
    AUTOTP_ASSIGN_OR_RETURN(const int64_t count, IntegerOf(factor, at));
    if (std::abs(static_cast<double>(count)) > kMostElements)
      return Wrong(at, "is out of range");
    if (name == "B")
      sum += batch * count;
    else if (name == "T")
      sum += tokens * count;
    else if (name == "BT")
      sum += batch * tokens * count;
    else if (name == "1")
      sum += count;
    else
      return Wrong(at, "is no size");
  }
  if (sum > kMostElements || sum < -kMostElements)
    return Wrong(at, "is out of range");
  return static_cast<int64_t>(sum);
}

absl::StatusOr<std::vector<int64_t>> ProgramJson::Shape(
    const json& list, const std::string& at) const {
  if (!list.is_array() || list.size() > kMostDims)
    return Wrong(at, "has to be a list of at most 16 sizes");
  std::vector<int64_t> shape;
  int64_t elements = 1;
  for (const json& one : list) {
    AUTOTP_ASSIGN_OR_RETURN(const int64_t size, SizeOf(one, at));
    if (size < 0 || size > kMostElements)
      return Wrong(at, absl::StrCat(size, " is no size"));
    shape.push_back(size);
    if (size > 0 && elements > kMostElements / size)
      return Wrong(at, "has too many elements");
    elements *= std::max<int64_t>(size, 1);
  }
  return shape;
}

absl::StatusOr<Attribute> ProgramJson::AttributeOf(
    const json& value, const std::string& at) const {
  if (value.is_boolean()) return Attribute(value.get<bool>());
  if (value.is_string()) {
    AUTOTP_ASSIGN_OR_RETURN(std::string text, TextOf(value, at));
    return Attribute(std::move(text));
  }
  if (value.is_number_float()) return Attribute(value.get<double>());
  if (value.is_number()) {
    AUTOTP_ASSIGN_OR_RETURN(const int64_t number, IntegerOf(value, at));
    return Attribute(number);
  }
  if (value.is_object() && value.size() == 1 && value.contains("number") &&
      value["number"].is_string()) {
    double number = 0;
    if (!absl::SimpleAtod(value["number"].get_ref<const std::string&>(),
                          &number))
      return Wrong(at, "is no number");
    return Attribute(number);
  }
  if (value.is_object()) {
    AUTOTP_ASSIGN_OR_RETURN(const int64_t size, SizeOf(value, at));
    return Attribute(size);
  }
  if (!value.is_array()) return Wrong(at, "is no attribute");
  bool integers = true;
  bool numbers_only = true;
  for (const json& one : value) {
    if (!one.is_number() && !one.is_object())
      return Wrong(at, "has to list numbers");
    integers = integers && !one.is_number_float();
    numbers_only = numbers_only && one.is_number();
  }
  if (!integers && !numbers_only) return Wrong(at, "has to list numbers");
  if (!integers) return Attribute(value.get<std::vector<double>>());
  std::vector<int64_t> numbers;
  for (const json& one : value) {
    AUTOTP_ASSIGN_OR_RETURN(numbers.emplace_back(), SizeOf(one, at));
  }
  return Attribute(std::move(numbers));
}

}  // namespace autotp::model
