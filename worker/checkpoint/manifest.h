// manifest.h -- MANIFEST.json: what makes a folder a checkpoint.
//
// Flow: rank 0 of the trainers -> WriteManifest() once all parts are
// reported -> CommitCheckpoint; restore.h and export.h -> ReadManifest().
#ifndef AUTOTP_WORKER_CHECKPOINT_MANIFEST_H_
#define AUTOTP_WORKER_CHECKPOINT_MANIFEST_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "autotp/v1/assignment.pb.h"
#include "autotp/v1/checkpoint.pb.h"
#include "autotp/v1/program.pb.h"

namespace autotp::checkpoint {

inline constexpr char kManifestName[] = "MANIFEST.json";
inline constexpr int kManifestVersion = 1;

struct WrittenManifest {
  std::string path;
  std::string digest;      // XXH3-128, hexadecimal
  int64_t size_bytes = 0;  // of the manifest and all parts
};

// Create-only; file and folder are synced.
//   ALREADY_EXISTS       the folder has a manifest
//   FAILED_PRECONDITION  the manifest does not pass ValidateManifest
absl::StatusOr<WrittenManifest> WriteManifest(const std::string& folder,
                                              const v1::Manifest& manifest);

enum class Verify { kSizes, kDigests };

// Reads, validates, and checks every part beside it.
//   NOT_FOUND  no such manifest
//   DATA_LOSS  malformed, or parts are missing or differ
absl::StatusOr<v1::Manifest> ReadManifest(const std::string& path,
                                          Verify verify);

// FAILED_PRECONDITION: parts are not one per rank in order, a shape or cut is
// malformed, or the ranks' cuts together leave a hole.
absl::Status ValidateManifest(const v1::Manifest& manifest);

}  // namespace autotp::checkpoint

#endif  // AUTOTP_WORKER_CHECKPOINT_MANIFEST_H_
