#include "worker/data/dataset.h"

#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "proto/support/status_macros.h"
#include "worker/data/json_columns.h"
#include "worker/data/jsonl.h"
#include "worker/data/mapped_file.h"
#include "worker/data/megatron.h"
#include "worker/data/mixed_dataset.h"
#include "worker/data/npy.h"
#include "worker/data/raw_tokens.h"
#include "worker/data/safetensors_columns.h"
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

bool IsJsonLines(const std::string& path) {
  return absl::EndsWithIgnoreCase(path, ".jsonl") ||
         absl::EndsWithIgnoreCase(path, ".json");
}

// `source` without its files.
absl::StatusOr<std::unique_ptr<Dataset>> OpenFile(const v1::DataSource& source,
                                                  int64_t sequence_length,
                                                  int64_t vocabulary_size) {
  const bool lines = IsJsonLines(source.path());
  if (source.pack_documents() && !lines && !source.has_separator()) {
    return absl::InvalidArgumentError(absl::StrCat(
        source.path(),
        ": its documents are to be packed, but nothing says where they end; "
        "give the token that ends them as the separator"));
  }
  StreamOptions options{sequence_length, vocabulary_size, std::nullopt};
  if (source.has_separator()) options.separator = source.separator();
  if (const std::string prefix = MegatronPrefix(source.path());
      !prefix.empty()) {
    AUTOTP_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> index,
                            MappedFile::Open(absl::StrCat(prefix, ".idx")));
    AUTOTP_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> tokens,
                            MappedFile::Open(absl::StrCat(prefix, ".bin")));
    AUTOTP_ASSIGN_OR_RETURN(TokenStream stream,
                            FindMegatronTokens(*index, std::move(tokens)));
    return MakeStreamDataset(std::move(stream), options);
  }
  AUTOTP_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> file,
                          MappedFile::Open(source.path()));
  if (lines) {
    return source.pack_documents()
               ? MakePackedLinesDataset(std::move(file), sequence_length,
                                        vocabulary_size)
               : MakeJsonLinesDataset(std::move(file), sequence_length,
                                      vocabulary_size);
  }
  AUTOTP_ASSIGN_OR_RETURN(TokenStream stream,
                          FindTokens(source, std::move(file), sequence_length));
  return MakeStreamDataset(std::move(stream), options);
}

absl::Status CheckSource(const v1::DataSource& source,
                         int64_t vocabulary_size) {
  if (!source.has_separator()) return absl::OkStatus();
  if (!source.pack_documents()) {
    return absl::InvalidArgumentError(
        "a separator is given, but documents are not packed; pack them, or "
        "leave it out");
  }
  if (source.separator() < 0 || source.separator() >= vocabulary_size) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the separator ", source.separator(),
        " is outside the model's vocabulary of ", vocabulary_size, " tokens"));
  }
  return absl::OkStatus();
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
  AUTOTP_RETURN_IF_ERROR(CheckSource(source, vocabulary_size));
  if (source.files().empty())
    return OpenFile(source, sequence_length, vocabulary_size);
  std::vector<std::unique_ptr<Dataset>> parts;
  std::vector<double> weights;
  for (const v1::DataFile& file : source.files()) {
    v1::DataSource one = source;
    one.clear_files();
    one.set_path(file.path());
    AUTOTP_ASSIGN_OR_RETURN(std::unique_ptr<Dataset> part,
                            OpenFile(one, sequence_length, vocabulary_size));
    parts.push_back(std::move(part));
    weights.push_back(file.weight());
  }
  return MakeMixedDataset(std::move(parts), std::move(weights));
}

const std::vector<Column>& Dataset::columns() const {
  static const auto* const none = new std::vector<Column>();
  return *none;
}

absl::Status Dataset::ReadRow(int64_t, absl::Span<char* const>) const {
  return absl::UnimplementedError(absl::StrCat(path(), ": has no columns"));
}

absl::StatusOr<std::unique_ptr<Dataset>> OpenColumns(
    const v1::DataSource& source, std::vector<Column> columns) {
  if (!source.files().empty() || source.pack_documents()) {
    return absl::InvalidArgumentError(
        "data of named columns are one file, and are not packed");
  }
  const std::string& path = source.path();
  AUTOTP_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> file,
                          MappedFile::Open(path));
  if (absl::EndsWithIgnoreCase(path, ".safetensors"))
    return MakeSafetensorsColumns(std::move(file), std::move(columns));
  if (IsJsonLines(path))
    return MakeJsonColumns(std::move(file), std::move(columns));
  std::string names;
  for (const Column& column : columns)
    absl::StrAppend(&names, names.empty() ? "" : ", ", column.name);
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": the model's inputs are ", names,
                   "; give them as columns of a .jsonl or .safetensors file"));
}

absl::StatusOr<std::unique_ptr<Dataset>> OpenDatasetFor(
    const v1::Program& program, const v1::DataSource& source,
    int64_t sequence_length, int64_t vocabulary_size) {
  if (TakesTokens(program) &&
      !absl::EndsWithIgnoreCase(source.path(), ".safetensors"))
    return OpenDataset(source, sequence_length, vocabulary_size);
  AUTOTP_ASSIGN_OR_RETURN(std::vector<Column> columns,
                          ColumnsOf(program, vocabulary_size));
  return OpenColumns(source, std::move(columns));
}

namespace {

absl::StatusOr<Batch> ReadRows(const Dataset& dataset,
                               absl::Span<const int64_t> rows) {
  Batch batch;
  batch.B = static_cast<int64_t>(rows.size());
  std::vector<int64_t> bytes;
  for (const Column& column : dataset.columns()) {
    bytes.push_back(column.count() * SizeOf(column.type));
    batch.columns.emplace_back(bytes.back() * batch.B);
  }
  std::vector<char*> out(bytes.size());
  for (int64_t b = 0; b < batch.B; ++b) {
    for (size_t i = 0; i < out.size(); ++i)
      out[i] = batch.columns[i].data() + b * bytes[i];
    AUTOTP_RETURN_IF_ERROR(dataset.ReadRow(rows[b], out));
  }
  return batch;
}

}  // namespace

std::vector<const void*> Batch::Inputs(int count) const {
  std::vector<const void*> inputs;
  for (const std::vector<char>& column : columns)
    inputs.push_back(column.data());
  if (!inputs.empty()) return inputs;
  inputs = {input_ids.data(), labels.data()};
  if (count > 2) inputs.push_back(positions.data());
  return inputs;
}

absl::StatusOr<Batch> ReadBatch(const Dataset& dataset,
                                absl::Span<const int64_t> sequences) {
  if (!dataset.columns().empty()) return ReadRows(dataset, sequences);
  Batch batch;
  batch.B = static_cast<int64_t>(sequences.size());
  batch.T = dataset.sequence_length();
  batch.input_ids.resize(batch.B * batch.T);
  batch.labels.resize(batch.B * batch.T);
  batch.positions.resize(batch.B * batch.T);
  for (int64_t b = 0; b < batch.B; ++b) {
    const auto row = [&](std::vector<int64_t>& numbers) {
      return absl::MakeSpan(numbers).subspan(b * batch.T, batch.T);
    };
    AUTOTP_RETURN_IF_ERROR(dataset.Read(
        sequences[b],
        {row(batch.input_ids), row(batch.labels), row(batch.positions)}));
  }
  return batch;
}

}  // namespace autotp::data
