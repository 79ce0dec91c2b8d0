// checkpoint_folder.h -- the disk's side of checkpoints: find, remove.
//
// Blocks; for the pool's threads, never the engine's.
#ifndef AUTOTP_COORDINATOR_ENGINE_CHECKPOINT_FOLDER_H_
#define AUTOTP_COORDINATOR_ENGINE_CHECKPOINT_FOLDER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "coordinator/core/checkpoints.h"

namespace autotp::engine {

// Folders under OUTPUT/checkpoints that are whole: their MANIFEST.json can be
// read and every part is there with its size. Others are left out.
std::vector<core::FoundCheckpoint> FindCheckpoints(const std::string& output);

// The manifest first, so that what is half removed is no checkpoint.
absl::Status RemoveCheckpoint(const std::string& folder);

}  // namespace autotp::engine

#endif  // AUTOTP_COORDINATOR_ENGINE_CHECKPOINT_FOLDER_H_
