// export_command.h -- `autotp-trainer --export`: any committed checkpoint
// becomes a Hugging Face folder.
//
// Flow: autotp export starts autotp-trainer -> ExportCheckpoint() ->
// find_checkpoint.h, the manifest's own ExportSpec, export.h.
//
// Needs no job, no worker and no tensor library.
#ifndef AUTOTP_WORKER_CHECKPOINT_EXPORT_COMMAND_H_
#define AUTOTP_WORKER_CHECKPOINT_EXPORT_COMMAND_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "autotp/v1/checkpoint.pb.h"

namespace autotp::checkpoint {

struct ExportWish {
  std::string checkpoint;  // what find_checkpoint.h understands
  std::string output;      // the folder to make
  std::string dtype;  // "original", "fp32", "bf16", "fp16"; empty: as the job
  int64_t max_file_bytes = 0;  // 0: as the job
  std::string model;  // where the files to copy lie now; empty: as recorded
};

// The manifest's spec with the wish in it; config.json's dtype follows.
//   FAILED_PRECONDITION  the manifest says nothing about its model
//   INVALID_ARGUMENT     an unknown dtype, or an original one that is unknown
absl::StatusOr<v1::ExportSpec> SpecFor(const v1::Manifest& manifest,
                                       const ExportWish& wish);

// Reads every part whole first: its digest has to be the manifest's. One line
// for people on OK; the codes of find_checkpoint.h, manifest.h and export.h.
absl::StatusOr<std::string> ExportCheckpoint(const ExportWish& wish);

// Arguments as NAME VALUE pairs (--checkpoint --output --dtype
// --max-file-bytes --model). Prints the answer or the error; the exit code: 0
// done, 1 failed, 2 invalid input.
int RunExport(int argc, char** argv);

}  // namespace autotp::checkpoint

#endif  // AUTOTP_WORKER_CHECKPOINT_EXPORT_COMMAND_H_
