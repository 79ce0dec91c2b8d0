// copied_files.h -- which files of a model folder go along with its training.
#ifndef AUTOTP_COORDINATOR_MODEL_COPIED_FILES_H_
#define AUTOTP_COORDINATOR_MODEL_COPIED_FILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace autotp::model {

// Does a trained model need the file of this name beside its own config.json
// and weights? Tokenizers, templates, licences and the like; not weights of
// any format, indexes, hidden files, or what a trainer left behind.
bool IsCopied(absl::string_view name);

// Absolute paths of such regular files right in `folder`, sorted.
// Findings: MODEL_FOLDER_UNREADABLE.
absl::StatusOr<std::vector<std::string>> CopiedFiles(const std::string& folder);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_COPIED_FILES_H_
