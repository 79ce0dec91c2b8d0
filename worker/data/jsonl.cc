#include "worker/data/jsonl.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "proto/support/check.h"
#include "proto/support/status_macros.h"
#include "worker/data/json_line.h"

namespace autotp::data {
namespace {

class JsonLinesDataset final : public Dataset {
 public:
  JsonLinesDataset(std::unique_ptr<MappedFile> file,
                   std::vector<JsonLine> lines, int64_t sequence_length,
                   int64_t vocabulary_size)
      : file_(std::move(file)),
        lines_(std::move(lines)),
        sequence_length_(sequence_length),
        vocabulary_size_(vocabulary_size) {}

  int64_t sequence_count() const override {
    return static_cast<int64_t>(lines_.size());
  }
  int64_t sequence_length() const override { return sequence_length_; }
  const std::string& path() const override { return file_->path(); }

  absl::Status Read(int64_t index, const SequenceSpans& out) const override {
    AUTOTP_CHECK(index >= 0 && index < sequence_count(), "sequence ", index,
                 " of ", sequence_count());
    JsonTokens tokens;
    AUTOTP_RETURN_IF_ERROR(
        ReadJsonLine(*file_, lines_[index], index, vocabulary_size_, tokens));
    if (static_cast<int64_t>(tokens.input_ids.size()) != sequence_length_) {
      return absl::InvalidArgumentError(absl::StrCat(
          path(), ":", lines_[index].number, ": \"input_ids\" has ",
          tokens.input_ids.size(), " numbers, but the sequence length is ",
          sequence_length_,
          "; cut or pad every line to it, or have documents packed"));
    }
    std::copy(tokens.input_ids.begin(), tokens.input_ids.end(),
              out.input_ids.begin());
    std::copy(tokens.labels.begin(), tokens.labels.end(), out.labels.begin());
    std::iota(out.positions.begin(), out.positions.end(), 0);
    return absl::OkStatus();
  }

 private:
  const std::unique_ptr<MappedFile> file_;
  const std::vector<JsonLine> lines_;
  const int64_t sequence_length_;
  const int64_t vocabulary_size_;
};

// Tokens [begin, end) of a line.
struct Document {
  size_t line = 0;
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
};

class PackedLinesDataset final : public Dataset {
 public:
  PackedLinesDataset(std::unique_ptr<MappedFile> file,
                     std::vector<JsonLine> lines, int64_t sequence_length,
                     int64_t vocabulary_size)
      : file_(std::move(file)),
        lines_(std::move(lines)),
        sequence_length_(sequence_length),
        vocabulary_size_(vocabulary_size) {}

  // Parses every line. Once, before all else.
  absl::Status Pack() {
    int64_t room = 0;
    JsonTokens tokens;
    for (size_t line = 0; line < lines_.size(); ++line) {
      AUTOTP_RETURN_IF_ERROR(ReadJsonLine(*file_, lines_[line],
                                          static_cast<int64_t>(line),
                                          vocabulary_size_, tokens));
      const auto count = static_cast<int64_t>(tokens.input_ids.size());
      for (int64_t begin = 0; begin < count; begin += sequence_length_) {
        const Document document = {line, begin,
                                   std::min(begin + sequence_length_, count)};
        if (document.size() > room) {
          firsts_.push_back(documents_.size());
          room = sequence_length_;
        }
        documents_.push_back(document);
        room -= document.size();
      }
    }
    if (!firsts_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(path(), ": all its documents are empty"));
  }

  int64_t sequence_count() const override {
    return static_cast<int64_t>(firsts_.size());
  }
  int64_t sequence_length() const override { return sequence_length_; }
  const std::string& path() const override { return file_->path(); }

  absl::Status Read(int64_t index, const SequenceSpans& out) const override {
    AUTOTP_CHECK(index >= 0 && index < sequence_count(), "sequence ", index,
                 " of ", sequence_count());
    const auto sequence = static_cast<size_t>(index);
    const size_t end = sequence + 1 < firsts_.size() ? firsts_[sequence + 1]
                                                     : documents_.size();
    int64_t at = 0;
    JsonTokens tokens;
    for (size_t i = firsts_[sequence]; i < end; ++i) {
      const Document& document = documents_[i];
      AUTOTP_RETURN_IF_ERROR(ReadJsonLine(*file_, lines_[document.line], index,
                                          vocabulary_size_, tokens));
      if (static_cast<int64_t>(tokens.input_ids.size()) < document.end) {
        return absl::DataLossError(
            absl::StrCat(path(), ":", lines_[document.line].number,
                         ": was longer when the job began"));
      }
      for (int64_t t = document.begin; t < document.end; ++t, ++at) {
        out.input_ids[at] = tokens.input_ids[t];
        out.labels[at] = t == document.begin ? kIgnoredLabel : tokens.labels[t];
        out.positions[at] = t - document.begin;
      }
    }
    for (int64_t t = 0; at < sequence_length_; ++t, ++at) {
      out.input_ids[at] = 0;
      out.labels[at] = kIgnoredLabel;
      out.positions[at] = t;
    }
    return absl::OkStatus();
  }

 private:
  const std::unique_ptr<MappedFile> file_;
  const std::vector<JsonLine> lines_;
  const int64_t sequence_length_;
  const int64_t vocabulary_size_;
  std::vector<Document> documents_;
  std::vector<size_t> firsts_;  // [sequence] index of its first document
};

}  // namespace

absl::StatusOr<std::unique_ptr<Dataset>> MakeJsonLinesDataset(
    std::unique_ptr<MappedFile> file, int64_t sequence_length,
    int64_t vocabulary_size) {
  AUTOTP_ASSIGN_OR_RETURN(std::vector<JsonLine> lines, FindJsonLines(*file));
  auto dataset = std::make_unique<JsonLinesDataset>(
      std::move(file), std::move(lines), sequence_length, vocabulary_size);
  AUTOTP_RETURN_IF_ERROR(ReadBatch(*dataset, {0}).status());
  return dataset;
}

absl::StatusOr<std::unique_ptr<Dataset>> MakePackedLinesDataset(
    std::unique_ptr<MappedFile> file, int64_t sequence_length,
    int64_t vocabulary_size) {
  AUTOTP_ASSIGN_OR_RETURN(std::vector<JsonLine> lines, FindJsonLines(*file));
  auto dataset = std::make_unique<PackedLinesDataset>(
      std::move(file), std::move(lines), sequence_length, vocabulary_size);
  AUTOTP_RETURN_IF_ERROR(dataset->Pack());
  return dataset;
}

}  // namespace autotp::data
