// export.h -- a committed checkpoint becomes a Hugging Face model folder.
//
// Flow: trainer's rank 0 at the end of a job, export_command.h ->
// ExportModel().
//
// The folder is built beside its place as PATH.partial, synced, and renamed:
// PATH is the old model or the new one, never a half. Tensors stream through
// one small buffer, so memory does not grow with the model.
#ifndef AUTOTP_WORKER_CHECKPOINT_EXPORT_H_
#define AUTOTP_WORKER_CHECKPOINT_EXPORT_H_

#include <string>

#include "absl/status/status.h"
#include "autotp/v1/checkpoint.pb.h"
#include "worker/checkpoint/manifest.h"

namespace autotp::checkpoint {

inline constexpr int64_t kFileBytesDefault = 5'000'000'000;

// Writes config.json, the weights as the model's own files have them (names;
// experts apart or fused; aliases of tied tensors are not stored twice; one
// file, or shards with an index where they exceed spec.max_file_bytes), and
// spec.copied_files.
//   FAILED_PRECONDITION  spec.path is a folder that is not a model's; as fp16,
//                        finite numbers would become infinite
//   DATA_LOSS            parameters that do not fill their fused tensor
//   output_file.h's and restore.h's codes
absl::Status ExportModel(const std::string& manifest_path,
                         const v1::ExportSpec& spec,
                         Verify verify = Verify::kSizes);

}  // namespace autotp::checkpoint

#endif  // AUTOTP_WORKER_CHECKPOINT_EXPORT_H_
