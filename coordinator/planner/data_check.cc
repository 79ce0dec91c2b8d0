#include "coordinator/planner/data_check.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace autotp::planner {
namespace {

namespace fs = std::filesystem;

// llm.c's header, which says the width of the tokens behind it.
constexpr int64_t kHeaderBytes = 1024;
constexpr int32_t kMagicUint16 = 20240520;
constexpr int32_t kMagicUint32 = 20240801;

bool IsJsonLines(const std::string& path) {
  return absl::EndsWithIgnoreCase(path, ".jsonl") ||
         absl::EndsWithIgnoreCase(path, ".json");
}

// The file that holds the tokens: Megatron's .bin may be named by its prefix
// or its index.
std::string TokenFile(const std::string& path) {
  if (absl::EndsWith(path, ".idx")) {
    return absl::StrCat(path.substr(0, path.size() - 4), ".bin");
  }
  std::error_code error;
  if (!fs::exists(path, error) && fs::exists(path + ".idx", error)) {
    return path + ".bin";
  }
  return path;
}

std::optional<int64_t> RawTokens(const std::string& path, int64_t bytes,
                                 v1::DataSource::TokenType type) {
  std::array<char, 4> head{};
  std::ifstream file(path, std::ios::binary);
  int32_t magic = 0;
  if (file.read(head.data(), head.size())) {
    std::memcpy(&magic, head.data(), head.size());
  }
  if (magic == kMagicUint16) return (bytes - kHeaderBytes) / 2;
  if (magic == kMagicUint32) return (bytes - kHeaderBytes) / 4;
  return bytes / (type == v1::DataSource::TOKEN_TYPE_UINT32 ? 4 : 2);
}

// Lines that are not blank, at most `enough`.
int64_t CountLines(const std::string& path, int64_t enough) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> buffer(1 << 16);
  int64_t lines = 0;
  bool blank = true;
  while (lines < enough && file) {
    file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    for (std::streamsize i = 0; i < file.gcount() && lines < enough; ++i) {
      if (buffer[i] == '\n') {
        if (!blank) ++lines;
        blank = true;
      } else if (buffer[i] != ' ' && buffer[i] != '\r') {
        blank = false;
      }
    }
  }
  return blank || lines == enough ? lines : lines + 1;
}

// Whole sequences in the file, or more; nullopt where only reading it tells.
std::optional<int64_t> CountSequences(const v1::DataSource& data,
                                      const std::string& file, int64_t bytes,
                                      int64_t sequence_length, int64_t enough) {
  if (IsJsonLines(file)) {
    if (data.pack_documents()) return std::nullopt;
    return CountLines(file, enough);
  }
  if (!absl::EndsWith(file, ".bin")) return std::nullopt;
  std::error_code error;
  const fs::path index = fs::path(file).replace_extension(".idx");
  // Of Megatron's tokens only the index knows the width.
  if (fs::exists(index, error)) return bytes / sequence_length;
  const std::optional<int64_t> tokens =
      RawTokens(file, bytes, data.token_type());
  if (!tokens.has_value()) return std::nullopt;
  return std::max<int64_t>(*tokens, 0) / sequence_length;
}

constexpr char kKinds[] = "give a token file: .bin, .idx, .npy or .jsonl";

// One file: whole sequences in it; nullopt where only reading it tells, or
// where it has been complained about.
std::optional<int64_t> CheckFile(const v1::DataSource& data,
                                 const std::string& path,
                                 int64_t sequence_length, int64_t enough,
                                 config::Diagnostics* diagnostics) {
  const config::SourcePlace place{path};
  if (!fs::path(path).is_absolute()) {
    diagnostics->Error(place, "DATA_PATH_RELATIVE",
                       absl::StrCat("the data path ", path,
                                    " is relative: workers run "
                                    "elsewhere"),
                       "give the absolute path");
    return std::nullopt;
  }
  const std::string file = TokenFile(path);
  std::error_code error;
  if (!fs::is_regular_file(file, error)) {
    diagnostics->Error(place, "DATA_MISSING",
                       fs::exists(file, error)
                           ? absl::StrCat(file, " is not a file")
                           : absl::StrCat("there is no data file ", file),
                       kKinds);
    return std::nullopt;
  }
  if (data.pack_documents() && !data.has_separator() && !IsJsonLines(path)) {
    diagnostics->Error(
        place, "DATA_SEPARATOR_MISSING",
        absl::StrCat("documents are to be packed, but nothing says where those "
                     "of ",
                     file, " end"),
        "give the token that ends a document: --separator ID");
  }
  const auto bytes = static_cast<int64_t>(fs::file_size(file, error));
  if (error || sequence_length < 1) return std::nullopt;
  return CountSequences(data, file, bytes, sequence_length, enough);
}

void CheckWeights(const v1::DataSource& data,
                  config::Diagnostics* diagnostics) {
  const auto given = std::count_if(
      data.files().begin(), data.files().end(),
      [](const v1::DataFile& file) { return file.weight() != 0; });
  for (const v1::DataFile& file : data.files()) {
    if (given == 0 || (file.weight() > 0 && std::isfinite(file.weight())))
      continue;
    diagnostics->Error(
        {file.path()}, "DATA_WEIGHT_INVALID",
        absl::StrCat("the weight of ", file.path(), " is ", file.weight()),
        "give every file a weight above 0, or none: then each "
        "is read as often as the others");
  }
}

}  // namespace

void CheckData(const v1::DataSource& data, int64_t sequence_length,
               int64_t train_batch_size, config::Diagnostics* diagnostics) {
  std::vector<std::string> paths;
  for (const v1::DataFile& file : data.files()) paths.push_back(file.path());
  if (paths.empty() && !data.path().empty()) paths.push_back(data.path());
  if (paths.empty()) {
    diagnostics->Error({}, "DATA_MISSING", "no data file is given", kKinds);
    return;
  }
  CheckWeights(data, diagnostics);
  if (data.has_separator() && !data.pack_documents()) {
    diagnostics->Error({}, "DATA_SEPARATOR_UNUSED",
                       "a separator is given, but documents are not packed",
                       "add --pack-documents, or leave the separator out");
  }
  // Files that are mixed are begun again as often as a batch needs.
  const int64_t needed = data.files().empty()
                             ? train_batch_size
                             : std::min<int64_t>(1, train_batch_size);
  for (const std::string& path : paths) {
    const std::optional<int64_t> sequences =
        CheckFile(data, path, sequence_length, needed, diagnostics);
    if (!sequences.has_value() || needed < 1 || *sequences >= needed) continue;
    diagnostics->Error(
        {path}, "DATA_TOO_SHORT",
        absl::StrCat(path, " holds ", *sequences, " sequences of ",
                     sequence_length, " tokens; one batch needs ", needed),
        "give more data, a shorter sequence_length or a smaller "
        "train_batch_size");
  }
}

void CheckSeparator(const v1::DataSource& data, int64_t vocabulary_size,
                    config::Diagnostics* diagnostics) {
  if (!data.has_separator()) return;
  if (data.separator() >= 0 && data.separator() < vocabulary_size) return;
  diagnostics->Error(
      {}, "DATA_SEPARATOR_UNKNOWN",
      absl::StrCat("the separator ", data.separator(),
                   " is no token of the model, which has ", vocabulary_size),
      "give the id of the token that ends a document");
}

}  // namespace autotp::planner
