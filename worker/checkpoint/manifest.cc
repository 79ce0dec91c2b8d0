#include "worker/checkpoint/manifest.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "proto/support/status_macros.h"
#include "worker/checkpoint/output_file.h"
#include "worker/checkpoint/part.h"
#include "worker/checkpoint/slice.h"

namespace autotp::checkpoint {
namespace {

constexpr int64_t kManifestBytesMax = int64_t{1} << 30;

absl::Status Wrong(absl::string_view what) {
  return absl::FailedPreconditionError(absl::StrCat("manifest: ", what));
}

// Every position of the cut dimension belongs to at least one rank.
absl::Status CheckCut(const v1::ParameterRecord& record) {
  const Shape shape(record.shape().begin(), record.shape().end());
  std::vector<Range> all;
  for (const v1::IntervalList& rank : record.ranks()) {
    Slice slice;
    slice.cut_dim = record.cut_dim();
    for (const v1::Interval& interval : rank.intervals())
      slice.intervals.push_back({interval.begin(), interval.end()});
    AUTOTP_RETURN_IF_ERROR(CheckSlice(shape, slice));
    all.insert(all.end(), slice.intervals.begin(), slice.intervals.end());
  }
  std::sort(all.begin(), all.end(),
            [](const Range& a, const Range& b) { return a.begin < b.begin; });
  int64_t covered = 0;
  for (const Range& interval : all) {
    if (interval.begin > covered) break;
    covered = std::max(covered, interval.end);
  }
  if (covered != shape[record.cut_dim()]) {
    return absl::InvalidArgumentError(absl::StrCat(
        "no rank has position ", covered, " of dimension ", record.cut_dim()));
  }
  return absl::OkStatus();
}

absl::Status CheckRecord(const v1::ParameterRecord& record,
                         int tensor_parallel_size) {
  int64_t count = 1;
  for (const int64_t length : record.shape()) {
    if (length < 0 || __builtin_mul_overflow(count, length, &count))
      return absl::InvalidArgumentError("impossible shape");
  }
  if (record.name().empty()) return absl::InvalidArgumentError("no name");
  if (record.cut_dim() < 0) return absl::OkStatus();
  if (record.cut_dim() >= record.shape_size())
    return absl::InvalidArgumentError("cut along a missing dimension");
  if (record.ranks_size() != tensor_parallel_size) {
    return absl::InvalidArgumentError(
        absl::StrCat("cut for ", record.ranks_size(), " ranks instead of ",
                     tensor_parallel_size));
  }
  return CheckCut(record);
}

absl::StatusOr<std::string> ReadText(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) return FileError(path, "open", error.value());
  if (static_cast<int64_t>(size) > kManifestBytesMax)
    return absl::DataLossError(absl::StrCat(path, ": ", size,
                                            " bytes are no "
                                            "manifest"));
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  if (!stream) return absl::DataLossError(absl::StrCat(path, ": cannot read"));
  return text.str();
}

}  // namespace

absl::Status ValidateManifest(const v1::Manifest& manifest) {
  if (manifest.format_version() != kManifestVersion) {
    return Wrong(absl::StrCat("format version ", manifest.format_version(),
                              " is unknown; ", kManifestVersion,
                              " can be read"));
  }
  const int64_t world =
      int64_t{manifest.tensor_parallel_size()} * manifest.data_parallel_size();
  if (manifest.tensor_parallel_size() < 1 || world != manifest.parts_size()) {
    return Wrong(absl::StrCat(manifest.parts_size(), " parts for ",
                              manifest.tensor_parallel_size(), " x ",
                              manifest.data_parallel_size(), " ranks"));
  }
  for (int rank = 0; rank < manifest.parts_size(); ++rank) {
    if (manifest.parts(rank).rank() != rank)
      return Wrong(absl::StrCat("part ", rank, " is of rank ",
                                manifest.parts(rank).rank()));
  }
  if (manifest.parameters().empty()) return Wrong("no parameters");
  for (const v1::ParameterRecord& record : manifest.parameters()) {
    if (const absl::Status status =
            CheckRecord(record, manifest.tensor_parallel_size());
        !status.ok()) {
      return Wrong(
          absl::StrCat("parameter ", record.name(), ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<WrittenManifest> WriteManifest(const std::string& folder,
                                              const v1::Manifest& manifest) {
  AUTOTP_RETURN_IF_ERROR(ValidateManifest(manifest));
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(manifest, &text, options)
           .ok()) {
    return absl::InternalError("manifest: cannot be written as JSON");
  }
  WrittenManifest written;
  written.path = absl::StrCat(folder, "/", kManifestName);
  AUTOTP_ASSIGN_OR_RETURN(
      std::unique_ptr<OutputFile> file,
      OutputFile::Create(written.path, OutputFile::Mode::kCreateOnly));
  AUTOTP_RETURN_IF_ERROR(file->Append(text));
  AUTOTP_RETURN_IF_ERROR(file->Commit());
  written.digest = file->Digest();
  written.size_bytes = file->size_bytes();
  for (const v1::Part& part : manifest.parts())
    written.size_bytes += part.size_bytes();
  return written;
}

absl::StatusOr<v1::Manifest> ReadManifest(const std::string& path,
                                          Verify verify) {
  AUTOTP_ASSIGN_OR_RETURN(const std::string text, ReadText(path));
  v1::Manifest manifest;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;  // of a later minor version
  if (const auto parsed =
          google::protobuf::util::JsonStringToMessage(text, &manifest, options);
      !parsed.ok()) {
    return absl::DataLossError(
        absl::StrCat(path, ": not a manifest: ", parsed.message().as_string()));
  }
  if (const absl::Status valid = ValidateManifest(manifest); !valid.ok())
    return absl::DataLossError(absl::StrCat(path, ": ", valid.message()));
  const std::string folder = std::filesystem::path(path).parent_path();
  for (const v1::Part& part : manifest.parts()) {
    const absl::Status status = CheckPart(folder.empty() ? "." : folder, part,
                                          verify == Verify::kDigests);
    if (!status.ok()) return absl::DataLossError(status.message());
  }
  return manifest;
}

}  // namespace autotp::checkpoint
