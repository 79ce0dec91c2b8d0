#include "worker/data/json_line.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "proto/support/status_macros.h"
#include "worker/data/dataset.h"
#include "worker/data/token_stream.h"

namespace autotp::data {
namespace {

using nlohmann::json;

constexpr size_t kLineBytesMax = size_t{64} << 20;

std::string Place(const MappedFile& file, const JsonLine& line) {
  return absl::StrCat(file.path(), ":", line.number);
}

absl::Status Malformed(const MappedFile& file, const JsonLine& line,
                       absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(Place(file, line), ": ", what));
}

absl::Status ReadList(const MappedFile& file, const JsonLine& line,
                      const json& object, const char* key,
                      std::vector<int64_t>& out) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) {
    return Malformed(
        file, line,
        absl::StrCat("lacks the list \"", key, "\"; tokenize the text first"));
  }
  out.resize(found->size());
  for (size_t i = 0; i < out.size(); ++i) {
    const json& number = (*found)[i];
    if (!number.is_number_integer()) {
      return Malformed(
          file, line, absl::StrCat("\"", key, "\"[", i, "] is not an integer"));
    }
    out[i] = number.get<int64_t>();
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<JsonLine>> FindJsonLines(const MappedFile& file) {
  std::vector<JsonLine> lines;
  absl::string_view rest = file.bytes();
  for (int64_t number = 1; !rest.empty(); ++number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const absl::string_view text =
        absl::StripAsciiWhitespace(rest.substr(0, end));
    if (text.size() > kLineBytesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat(file.path(), ":", number, ": a line of ", text.size(),
                       " bytes; at most ", kLineBytesMax, " can be read"));
    }
    if (!text.empty()) {
      lines.push_back({number, text.data() - file.bytes().data(),
                       static_cast<int64_t>(text.size())});
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (lines.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.path(), ": holds no line of JSON"));
  }
  return lines;
}

absl::Status ReadJsonLine(const MappedFile& file, const JsonLine& line,
                          int64_t index, int64_t vocabulary_size,
                          JsonTokens& out) {
  std::string text(static_cast<size_t>(line.size), '\0');
  AUTOTP_RETURN_IF_ERROR(Annotate(file.ReadAt(line.begin, absl::MakeSpan(text)),
                                  absl::StrCat("line ", line.number)));
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return Malformed(file, line, "not a JSON object");
  AUTOTP_RETURN_IF_ERROR(
      ReadList(file, line, object, "input_ids", out.input_ids));
  const auto known = [&](int64_t id) {
    return id >= 0 && id < vocabulary_size;
  };
  for (size_t t = 0; t < out.input_ids.size(); ++t) {
    if (!known(out.input_ids[t])) {
      return TokenError(Place(file, line), index, static_cast<int64_t>(t),
                        out.input_ids[t], vocabulary_size);
    }
  }
  out.labels = out.input_ids;
  if (!object.contains("labels")) return absl::OkStatus();
  AUTOTP_RETURN_IF_ERROR(ReadList(file, line, object, "labels", out.labels));
  if (out.labels.size() != out.input_ids.size()) {
    return Malformed(file, line,
                     absl::StrCat("has ", out.labels.size(), " labels for ",
                                  out.input_ids.size(), " tokens"));
  }
  for (size_t t = 0; t < out.labels.size(); ++t) {
    if (out.labels[t] != kIgnoredLabel && !known(out.labels[t])) {
      return Annotate(
          TokenError(Place(file, line), index, static_cast<int64_t>(t),
                     out.labels[t], vocabulary_size),
          "labels");
    }
  }
  return absl::OkStatus();
}

}  // namespace autotp::data
