// part.h -- one rank's file of a checkpoint.
//
// Flow: trainer's checkpoint thread -> WritePart() -> v1::Part for the
// coordinator and the manifest. Format: Part in checkpoint.proto.
#ifndef AUTOTP_WORKER_CHECKPOINT_PART_H_
#define AUTOTP_WORKER_CHECKPOINT_PART_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "autotp/v1/checkpoint.pb.h"
#include "worker/checkpoint/slice.h"

namespace autotp::checkpoint {

inline constexpr char kWeight[] = "weight";

// What one rank owns of one parameter: elements `range` of its
// tensor-parallel rank's slice (row-major). A parameter may have several
// pieces in a part; an empty range is allowed and leaves nothing.
struct Piece {
  std::string state;  // kWeight or one of AllOptimizerStates()
  std::string parameter;
  Range range;
  const float* values = nullptr;  // range.size() of them
};

// Writes FOLDER/rank-00003.safetensors; makes the folder where it is missing.
// The file is on disk on OK and absent on error (output_file.h's codes).
absl::StatusOr<v1::Part> WritePart(const std::string& folder, int rank,
                                   const std::vector<Piece>& pieces);

// Where a stored piece belongs.
struct PieceKey {
  std::string state;
  std::string parameter;
  Range range;
};

// The name of a piece in its file: "exp_avg/NAME", for weights "NAME"; the
// k-th further piece of the same parameter and state has "#k" at its end.
std::string PieceName(absl::string_view state, absl::string_view parameter,
                      int ordinal);
// From a stored name and its "BEGIN,END". DATA_LOSS: malformed.
absl::StatusOr<PieceKey> ParsePiece(absl::string_view name,
                                    absl::string_view range);

// The file has the size in the record and, with `digest`, its digest.
//   NOT_FOUND  no such file
//   DATA_LOSS  another size or digest, or a path that leaves the folder
absl::Status CheckPart(const std::string& folder, const v1::Part& part,
                       bool digest);

}  // namespace autotp::checkpoint

#endif  // AUTOTP_WORKER_CHECKPOINT_PART_H_
