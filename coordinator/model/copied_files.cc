#include "coordinator/model/copied_files.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "coordinator/model/finding.h"
#include "coordinator/model/utf8.h"

namespace autotp::model {

bool IsCopied(absl::string_view name) {
  if (name.empty() || name[0] == '.' || name == "config.json") return false;
  for (absl::string_view left_behind : {"trainer_state.json"})
    if (name == left_behind) return false;
  for (absl::string_view weights :
       {".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json",
        ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".gguf", ".tmp"}) {
    if (absl::EndsWith(name, weights)) return false;
  }
  return true;
}

absl::StatusOr<std::vector<std::string>> CopiedFiles(
    const std::string& folder) {
  namespace fs = std::filesystem;
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code kind_error;
    if (!at->is_regular_file(kind_error) ||
        !IsCopied(at->path().filename().string())) {
      continue;
    }
    files.push_back(at->path().string());
    if (!IsUtf8(files.back())) {
      return ToStatus({.reason = "MODEL_FOLDER_UNREADABLE",
                       .file = files.back(),
                       .message = "has a name that is not UTF-8",
                       .suggestion = "rename it or take it away"});
    }
  }
  if (error) {
    return ToStatus({.reason = "MODEL_FOLDER_UNREADABLE",
                     .file = folder,
                     .message = "cannot be listed: " + error.message()});
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace autotp::model
