#include "worker/checkpoint/restore.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "worker/checkpoint/part.h"

namespace autotp::checkpoint {

absl::StatusOr<std::unique_ptr<CheckpointReader>> CheckpointReader::Open(
    const std::string& manifest_path, Verify verify) {
  std::unique_ptr<CheckpointReader> reader(new CheckpointReader());
  AUTOTP_ASSIGN_OR_RETURN(reader->manifest_,
                          ReadManifest(manifest_path, verify));
  const std::filesystem::path folder =
      std::filesystem::path(manifest_path).parent_path();
  AUTOTP_RETURN_IF_ERROR(Annotate(reader->IndexParameters(), manifest_path));
  for (const v1::Part& part : reader->manifest_.parts()) {
    AUTOTP_ASSIGN_OR_RETURN(std::unique_ptr<SafetensorsFile> file,
                            SafetensorsFile::Open(folder / part.path()));
    reader->parts_.push_back(std::move(file));
    AUTOTP_RETURN_IF_ERROR(Annotate(reader->IndexPart(part.rank()),
                                    reader->parts_.back()->path()));
  }
  for (auto& [key, ranks] : reader->pieces_) {
    for (std::vector<StoredPiece>& pieces : ranks) {
      std::sort(pieces.begin(), pieces.end(),
                [](const StoredPiece& a, const StoredPiece& b) {
                  return a.range.begin < b.range.begin;
                });
    }
  }
  return reader;
}

absl::Status CheckpointReader::IndexParameters() {
  const int tensor_parallel_size = manifest_.tensor_parallel_size();
  for (const v1::ParameterRecord& record : manifest_.parameters()) {
    Saved saved;
    saved.shape.assign(record.shape().begin(), record.shape().end());
    saved.cut_dim = record.cut_dim();
    saved.lengths.assign(tensor_parallel_size, 0);
    for (int rank = 0; saved.cut_dim >= 0 && rank < record.ranks_size();
         ++rank) {
      for (const v1::Interval& interval : record.ranks(rank).intervals()) {
        saved.segments.push_back(
            {{interval.begin(), interval.end()}, rank, saved.lengths[rank]});
        saved.lengths[rank] += interval.end() - interval.begin();
      }
    }
    // Ranks may share positions (replicated heads): each is read from the
    // first that has it.
    std::sort(saved.segments.begin(), saved.segments.end(),
              [](const Segment& a, const Segment& b) {
                return a.positions.begin < b.positions.begin;
              });
    std::vector<Segment> disjoint;
    int64_t covered = 0;
    for (Segment segment : saved.segments) {
      const int64_t skip =
          std::max<int64_t>(0, covered - segment.positions.begin);
      if (skip >= segment.positions.size()) continue;
      segment.positions.begin += skip;
      segment.local += skip;
      covered = segment.positions.end;
      disjoint.push_back(segment);
    }
    saved.segments = std::move(disjoint);
    if (!parameters_.emplace(record.name(), std::move(saved)).second) {
      return absl::DataLossError(
          absl::StrCat("parameter ", record.name(), " comes twice"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckpointReader::IndexPart(int part) {
  const int tensor_parallel_size = manifest_.tensor_parallel_size();
  const SafetensorsHeader& header = parts_[part]->header();
  for (const auto& [name, entry] : header.tensors) {
    const auto range = header.metadata.find(name);
    if (range == header.metadata.end()) {
      return absl::DataLossError(
          absl::StrCat("tensor \"", name, "\" has no range"));
    }
    AUTOTP_ASSIGN_OR_RETURN(const PieceKey key,
                            ParsePiece(name, range->second));
    const auto saved = parameters_.find(key.parameter);
    if (saved == parameters_.end() || entry.element != "F32" ||
        entry.shape != Shape{key.range.size()}) {
      return absl::DataLossError(absl::StrCat(
          "tensor \"", name, "\" is no piece of a parameter in the manifest"));
    }
    auto& ranks = pieces_[{key.state, key.parameter}];
    ranks.resize(tensor_parallel_size);
    const int rank =
        saved->second.cut_dim < 0 ? 0 : part % tensor_parallel_size;
    ranks[rank].push_back({key.range, part, name});
  }
  return absl::OkStatus();
}

absl::Status CheckpointReader::Read(absl::string_view parameter,
                                    absl::string_view state,
                                    const Slice& wanted, Range local,
                                    float* out) {
  const auto saved = parameters_.find(parameter);
  const auto pieces =
      pieces_.find({std::string(state), std::string(parameter)});
  if (saved == parameters_.end()) {
    return absl::NotFoundError(absl::StrCat("the checkpoint has no parameter ",
                                            parameter,
                                            "; it is of another "
                                            "model"));
  }
  const Shape& shape = saved->second.shape;
  AUTOTP_RETURN_IF_ERROR(Annotate(CheckSlice(shape, wanted), parameter));
  if (local.begin < 0 || local.end < local.begin ||
      local.end > ElementCount(shape, wanted)) {
    return absl::InvalidArgumentError(
        absl::StrCat(parameter, ": elements [", local.begin, ", ", local.end,
                     ") are outside of the slice"));
  }
  if (local.size() == 0) return absl::OkStatus();
  if (pieces == pieces_.end()) {
    return absl::DataLossError(
        absl::StrCat("the checkpoint holds no ", state, " of ", parameter));
  }
  return Annotate(ForEachRun(shape, wanted, local,
                             [&](Run run) {
                               return ReadRun(saved->second, pieces->second,
                                              run.global, run.count,
                                              out + (run.local - local.begin));
                             }),
                  absl::StrCat(state, " of ", parameter));
}

absl::Status CheckpointReader::ReadRun(
    const Saved& saved, const std::vector<std::vector<StoredPiece>>& pieces,
    int64_t global, int64_t count, float* out) {
  if (saved.cut_dim < 0) return ReadPieces(pieces[0], global, count, out);
  int64_t inner = 1;
  for (size_t d = saved.cut_dim + 1; d < saved.shape.size(); ++d)
    inner *= saved.shape[d];
  const int64_t positions = saved.shape[saved.cut_dim];
  while (count > 0) {
    const int64_t outer = global / (positions * inner);
    const int64_t position = global / inner % positions;
    const int64_t within = global % inner;
    // The last segment that begins at or before the position has it: the
    // manifest was checked for holes.
    const auto segment =
        std::upper_bound(saved.segments.begin(), saved.segments.end(), position,
                         [](int64_t place, const Segment& candidate) {
                           return place < candidate.positions.begin;
                         }) -
        1;
    const int64_t available =
        (segment->positions.end - position) * inner - within;
    const int64_t step = std::min(count, available);
    const int64_t local =
        (outer * saved.lengths[segment->rank] + segment->local + position -
         segment->positions.begin) *
            inner +
        within;
    AUTOTP_RETURN_IF_ERROR(ReadPieces(pieces[segment->rank], local, step, out));
    global += step;
    out += step;
    count -= step;
  }
  return absl::OkStatus();
}

absl::Status CheckpointReader::ReadPieces(
    const std::vector<StoredPiece>& pieces, int64_t local, int64_t count,
    float* out) {
  while (count > 0) {
    // Equal ranges may be there several times (ranks that hold the same);
    // any of them will do.
    auto piece = std::upper_bound(pieces.begin(), pieces.end(), local,
                                  [](int64_t place, const StoredPiece& p) {
                                    return place < p.range.begin;
                                  });
    while (piece != pieces.begin() && (piece - 1)->range.end <= local) --piece;
    if (piece == pieces.begin()) {
      return absl::DataLossError(absl::StrCat("no part holds element ", local,
                                              "; use an older checkpoint"));
    }
    --piece;
    const int64_t step = std::min(count, piece->range.end - local);
    const int64_t first = local - piece->range.begin;
    AUTOTP_RETURN_IF_ERROR(parts_[piece->part]->Read(
        piece->name, Slice{}, {first, first + step}, out));
    local += step;
    out += step;
    count -= step;
  }
  return absl::OkStatus();
}

int64_t CheckpointReader::bytes_read() const {
  int64_t total = 0;
  for (const auto& part : parts_) total += part->bytes_read();
  return total;
}

}  // namespace autotp::checkpoint
