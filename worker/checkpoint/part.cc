#include "worker/checkpoint/part.h"

#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "proto/support/check.h"
#include "proto/support/optimizer_states.h"
#include "proto/support/status_macros.h"
#include "worker/checkpoint/output_file.h"
#include "worker/checkpoint/safetensors_writer.h"

namespace autotp::checkpoint {

std::string PieceName(absl::string_view state, absl::string_view parameter,
                      int ordinal) {
  std::string name = state == kWeight ? std::string(parameter)
                                      : absl::StrCat(state, "/", parameter);
  if (ordinal > 0) absl::StrAppend(&name, "#", ordinal);
  return name;
}

absl::StatusOr<PieceKey> ParsePiece(absl::string_view name,
                                    absl::string_view range) {
  PieceKey key;
  const std::vector<absl::string_view> bounds = absl::StrSplit(range, ',');
  if (bounds.size() != 2 || !absl::SimpleAtoi(bounds[0], &key.range.begin) ||
      !absl::SimpleAtoi(bounds[1], &key.range.end) || key.range.begin < 0 ||
      key.range.end < key.range.begin) {
    return absl::DataLossError(
        absl::StrCat("tensor \"", name, "\": malformed range ", range));
  }
  key.state = kWeight;
  for (const absl::string_view state : zero::AllOptimizerStates()) {
    if (absl::ConsumePrefix(&name, absl::StrCat(state, "/"))) {
      key.state = std::string(state);
      break;
    }
  }
  key.parameter = std::string(name.substr(0, name.rfind('#')));
  return key;
}

absl::StatusOr<v1::Part> WritePart(const std::string& folder, int rank,
                                   const std::vector<Piece>& pieces) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return FileError(folder, "create the folder", error.value());

  std::vector<SafetensorsWriter::Tensor> tensors;
  SafetensorsWriter::Metadata metadata;
  std::map<std::pair<std::string, std::string>, int> ordinals;
  for (const Piece& piece : pieces) {
    AUTOTP_CHECK(piece.range.begin >= 0 && piece.range.size() >= 0,
                 piece.parameter);
    if (piece.range.size() == 0) continue;
    const int ordinal = ordinals[{piece.state, piece.parameter}]++;
    std::string name = PieceName(piece.state, piece.parameter, ordinal);
    metadata[name] = absl::StrCat(piece.range.begin, ",", piece.range.end);
    tensors.push_back({std::move(name), {piece.range.size()}});
  }

  v1::Part part;
  part.set_rank(rank);
  part.set_path(absl::StrFormat("rank-%05d.safetensors", rank));
  AUTOTP_ASSIGN_OR_RETURN(
      std::unique_ptr<SafetensorsWriter> writer,
      SafetensorsWriter::Create(absl::StrCat(folder, "/", part.path()), tensors,
                                Element::kFloat32, metadata));
  for (const Piece& piece : pieces) {
    AUTOTP_RETURN_IF_ERROR(writer->Append(piece.values, piece.range.size()));
  }
  AUTOTP_RETURN_IF_ERROR(writer->Commit());
  part.set_size_bytes(writer->size_bytes());
  part.set_digest(writer->Digest());
  return part;
}

absl::Status CheckPart(const std::string& folder, const v1::Part& part,
                       bool digest) {
  if (part.path().empty() || part.path()[0] == '.' ||
      absl::StrContains(part.path(), '/')) {
    return absl::DataLossError(
        absl::StrCat("part of rank ", part.rank(), ": \"", part.path(),
                     "\" is no file name in the checkpoint's folder"));
  }
  const std::string path = absl::StrCat(folder, "/", part.path());
  struct stat info;
  if (stat(path.c_str(), &info) != 0)
    return FileError(path, "find the part", errno);
  if (info.st_size != part.size_bytes()) {
    return absl::DataLossError(
        absl::StrCat(path, ": has ", info.st_size, " bytes, the manifest says ",
                     part.size_bytes(), "; use an older checkpoint"));
  }
  if (!digest) return absl::OkStatus();
  AUTOTP_ASSIGN_OR_RETURN(const std::string found, DigestFile(path));
  if (found != part.digest()) {
    return absl::DataLossError(
        absl::StrCat(path, ": has digest ", found, ", the manifest says ",
                     part.digest(), "; use an older checkpoint"));
  }
  return absl::OkStatus();
}

}  // namespace autotp::checkpoint
