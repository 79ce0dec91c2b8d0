#include "worker/data/dataset.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "proto/support/status_macros.h"
#include "worker/data/jsonl.h"
#include "worker/data/mapped_file.h"
#include "worker/data/megatron.h"
#include "worker/data/npy.h"
#include "worker/data/raw_tokens.h"
#include "worker/data/token_stream.h"

namespace autotp::data {
namespace {

bool IsFile(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

// The index that belongs to `path`, which may be PREFIX.idx, PREFIX.bin or
// PREFIX; empty if there is none.
std::string MegatronPrefix(const std::string& path) {
  absl::string_view prefix = path;
  if (!absl::ConsumeSuffix(&prefix, ".idx") &&
      !absl::ConsumeSuffix(&prefix, ".bin") && IsFile(path)) {
    return "";  // a file of another kind
  }
  return IsFile(absl::StrCat(prefix, ".idx")) ? std::string(prefix) : "";
}

absl::StatusOr<TokenStream> FindTokens(const v1::DataSource& source,
                                       std::unique_ptr<MappedFile> file,
                                       int64_t sequence_length) {
  if (IsNpy(file->bytes()))
    return FindNpyTokens(std::move(file), sequence_length);
  if (absl::EndsWithIgnoreCase(source.path(), ".npy")) {
    return absl::InvalidArgumentError(
        absl::StrCat(source.path(), ": not a NumPy file"));
  }
  if (absl::EndsWithIgnoreCase(source.path(), ".bin"))
    return FindRawTokens(std::move(file), source.token_type());
  return absl::InvalidArgumentError(
      absl::StrCat(source.path(),
                   ": unknown kind of data; give tokens as .bin, .idx with "
                   ".bin, .npy, or .jsonl with \"input_ids\""));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Dataset>> OpenDataset(
    const v1::DataSource& source, int64_t sequence_length,
    int64_t vocabulary_size) {
  if (sequence_length < 1 || vocabulary_size < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("sequence length ", sequence_length, " and vocabulary ",
                     vocabulary_size, " have to be positive"));
  }
  if (const std::string prefix = MegatronPrefix(source.path());
      !prefix.empty()) {
    AUTOTP_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> index,
                            MappedFile::Open(absl::StrCat(prefix, ".idx")));
    AUTOTP_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> tokens,
                            MappedFile::Open(absl::StrCat(prefix, ".bin")));
    AUTOTP_ASSIGN_OR_RETURN(TokenStream stream,
                            FindMegatronTokens(*index, std::move(tokens)));
    return MakeStreamDataset(std::move(stream), sequence_length,
                             vocabulary_size);
  }
  AUTOTP_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> file,
                          MappedFile::Open(source.path()));
  if (absl::EndsWithIgnoreCase(source.path(), ".jsonl") ||
      absl::EndsWithIgnoreCase(source.path(), ".json")) {
    return MakeJsonLinesDataset(std::move(file), sequence_length,
                                vocabulary_size);
  }
  AUTOTP_ASSIGN_OR_RETURN(TokenStream stream,
                          FindTokens(source, std::move(file), sequence_length));
  return MakeStreamDataset(std::move(stream), sequence_length, vocabulary_size);
}

absl::StatusOr<Batch> ReadBatch(const Dataset& dataset,
                                absl::Span<const int64_t> sequences) {
  Batch batch;
  batch.B = static_cast<int64_t>(sequences.size());
  batch.T = dataset.sequence_length();
  batch.input_ids.resize(batch.B * batch.T);
  batch.labels.resize(batch.B * batch.T);
  for (int64_t b = 0; b < batch.B; ++b) {
    AUTOTP_RETURN_IF_ERROR(dataset.Read(
        sequences[b],
        absl::MakeSpan(batch.input_ids).subspan(b * batch.T, batch.T),
        absl::MakeSpan(batch.labels).subspan(b * batch.T, batch.T)));
  }
  return batch;
}

}  // namespace autotp::data
