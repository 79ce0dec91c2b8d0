#include "worker/data/jsonl.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nlohmann/json.hpp"
#include "proto/support/check.h"
#include "proto/support/status_macros.h"
#include "worker/data/token_stream.h"

namespace autotp::data {
namespace {

using nlohmann::json;

constexpr size_t kLineBytesMax = size_t{64} << 20;

struct Line {
  int64_t number = 0;  // from 1, as editors count
  int64_t begin = 0;   // byte of the file
  int64_t size = 0;    // bytes
};

class JsonLinesDataset final : public Dataset {
 public:
  JsonLinesDataset(std::unique_ptr<MappedFile> file, std::vector<Line> lines,
                   int64_t sequence_length, int64_t vocabulary_size)
      : file_(std::move(file)),
        lines_(std::move(lines)),
        sequence_length_(sequence_length),
        vocabulary_size_(vocabulary_size) {}

  int64_t sequence_count() const override {
    return static_cast<int64_t>(lines_.size());
  }
  int64_t sequence_length() const override { return sequence_length_; }
  const std::string& path() const override { return file_->path(); }

  absl::Status Read(int64_t index, absl::Span<int64_t> input_ids,
                    absl::Span<int64_t> labels) const override {
    AUTOTP_CHECK(index >= 0 && index < sequence_count(), "sequence ", index,
                 " of ", sequence_count());
    const Line& line = lines_[index];
    std::string text(static_cast<size_t>(line.size), '\0');
    AUTOTP_RETURN_IF_ERROR(
        Annotate(file_->ReadAt(line.begin, absl::MakeSpan(text)),
                 absl::StrCat("line ", line.number)));
    const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) return Malformed(line, "not a JSON object");
    AUTOTP_RETURN_IF_ERROR(ReadList(line, object, "input_ids", input_ids));
    for (int64_t t = 0; t < sequence_length_; ++t) {
      if (!InVocabulary(input_ids[t]))
        return TokenError(Place(line), index, t, input_ids[t],
                          vocabulary_size_);
    }
    if (!object.contains("labels")) {
      std::copy(input_ids.begin(), input_ids.end(), labels.begin());
      return absl::OkStatus();
    }
    AUTOTP_RETURN_IF_ERROR(ReadList(line, object, "labels", labels));
    for (int64_t t = 0; t < sequence_length_; ++t) {
      if (labels[t] != kIgnoredLabel && !InVocabulary(labels[t]))
        return Annotate(
            TokenError(Place(line), index, t, labels[t], vocabulary_size_),
            "labels");
    }
    return absl::OkStatus();
  }

 private:
  bool InVocabulary(int64_t id) const {
    return id >= 0 && id < vocabulary_size_;
  }
  std::string Place(const Line& line) const {
    return absl::StrCat(path(), ":", line.number);
  }
  absl::Status Malformed(const Line& line, absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(Place(line), ": ", what));
  }

  absl::Status ReadList(const Line& line, const json& object, const char* key,
                        absl::Span<int64_t> out) const {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_array()) {
      return Malformed(line, absl::StrCat("lacks the list \"", key,
                                          "\"; tokenize the text first"));
    }
    if (found->size() != out.size()) {
      return Malformed(
          line, absl::StrCat("\"", key, "\" has ", found->size(),
                             " numbers, but the sequence "
                             "length is ",
                             out.size(), "; cut or pad every line to it"));
    }
    for (size_t i = 0; i < out.size(); ++i) {
      const json& number = (*found)[i];
      if (!number.is_number_integer()) {
        return Malformed(
            line, absl::StrCat("\"", key, "\"[", i, "] is not an integer"));
      }
      out[i] = number.get<int64_t>();
    }
    return absl::OkStatus();
  }

  const std::unique_ptr<MappedFile> file_;
  const std::vector<Line> lines_;
  const int64_t sequence_length_;
  const int64_t vocabulary_size_;
};

absl::StatusOr<std::vector<Line>> FindLines(const MappedFile& file) {
  std::vector<Line> lines;
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
  return lines;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Dataset>> MakeJsonLinesDataset(
    std::unique_ptr<MappedFile> file, int64_t sequence_length,
    int64_t vocabulary_size) {
  AUTOTP_ASSIGN_OR_RETURN(std::vector<Line> lines, FindLines(*file));
  if (lines.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file->path(), ": holds no line of JSON"));
  }
  auto dataset = std::make_unique<JsonLinesDataset>(
      std::move(file), std::move(lines), sequence_length, vocabulary_size);
  std::vector<int64_t> input_ids(sequence_length);
  std::vector<int64_t> labels(sequence_length);
  AUTOTP_RETURN_IF_ERROR(
      dataset->Read(0, absl::MakeSpan(input_ids), absl::MakeSpan(labels)));
  return dataset;
}

}  // namespace autotp::data
