// find_checkpoint.h -- which committed checkpoint a path means, and what a
// folder is that is none.
//
// Flow: export_command.h -> FindManifest() -> export.h.
#ifndef AUTOTP_WORKER_CHECKPOINT_FIND_CHECKPOINT_H_
#define AUTOTP_WORKER_CHECKPOINT_FIND_CHECKPOINT_H_

#include <string>

#include "absl/status/statusor.h"

namespace autotp::checkpoint {

// The manifest of a checkpoint's folder, of its MANIFEST.json, or of the
// newest checkpoint of a job: its output folder, the checkpoints folder in it,
// or either with "/latest" behind.
//   NOT_FOUND         nothing is there, or a job without a checkpoint
//   DATA_LOSS         parts without a manifest: never committed
//   INVALID_ARGUMENT  something else; says what, if it is known: DeepSpeed's,
//                     PyTorch's, a model's folder
absl::StatusOr<std::string> FindManifest(const std::string& path);

}  // namespace autotp::checkpoint

#endif  // AUTOTP_WORKER_CHECKPOINT_FIND_CHECKPOINT_H_
