// restore.h -- reads a checkpoint at any layout, whatever layout wrote it.
//
// Flow: trainer (resume), export.h -> CheckpointReader::Open() -> Read() of
// each parameter's wanted range.
//
// A wanted element is found in two hops: its global place lies in the slice
// of a saved tensor-parallel rank, its place there in the range of a saved
// piece. Runs that are contiguous in all of them are read at once, so the
// same layout reads each range with one call; nothing else is read.
//
// Threading: one thread at a time.
#ifndef AUTOTP_WORKER_CHECKPOINT_RESTORE_H_
#define AUTOTP_WORKER_CHECKPOINT_RESTORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "autotp/v1/checkpoint.pb.h"
#include "worker/checkpoint/manifest.h"
#include "worker/checkpoint/safetensors_reader.h"
#include "worker/checkpoint/slice.h"

namespace autotp::checkpoint {

class CheckpointReader {
 public:
  // ReadManifest's errors, and those of a part's header.
  static absl::StatusOr<std::unique_ptr<CheckpointReader>> Open(
      const std::string& manifest_path, Verify verify = Verify::kSizes);

  const v1::Manifest& manifest() const { return manifest_; }

  // Elements `local` of the wanted slice (row-major), as saved.
  // `state`: kWeight (part.h) or one of AllOptimizerStates().
  //   NOT_FOUND         the checkpoint has no such parameter
  //   INVALID_ARGUMENT  a slice outside the tensor
  //   DATA_LOSS         no part holds some of the elements
  absl::Status Read(absl::string_view parameter, absl::string_view state,
                    const Slice& wanted, Range local, float* out);

  int64_t bytes_read() const;  // of tensors, from all parts

 private:
  // Positions [begin, end) of the cut dimension are found at saved rank
  // `rank`, from `local` of its own positions. Sorted, disjoint.
  struct Segment {
    Range positions;
    int rank = 0;
    int64_t local = 0;
  };
  struct StoredPiece {
    Range range;  // of the saved rank's slice
    int part = 0;
    std::string name;
  };
  struct Saved {
    Shape shape;
    int cut_dim = -1;
    std::vector<Segment> segments;
    std::vector<int64_t> lengths;  // [saved tp rank] positions it has
  };
  using PieceIndex = std::pair<std::string, std::string>;  // state, parameter

  CheckpointReader() = default;
  absl::Status IndexParameters();
  absl::Status IndexPart(int part);
  absl::Status ReadRun(const Saved& saved,
                       const std::vector<std::vector<StoredPiece>>& pieces,
                       int64_t global, int64_t count, float* out);
  absl::Status ReadPieces(const std::vector<StoredPiece>& pieces, int64_t local,
                          int64_t count, float* out);

  v1::Manifest manifest_;
  std::map<std::string, Saved, std::less<>> parameters_;
  // [saved tp rank], each sorted by range; whole parameters all at rank 0.
  std::map<PieceIndex, std::vector<std::vector<StoredPiece>>> pieces_;
  std::vector<std::unique_ptr<SafetensorsFile>> parts_;  // [rank]
};

}  // namespace autotp::checkpoint

#endif  // AUTOTP_WORKER_CHECKPOINT_RESTORE_H_
