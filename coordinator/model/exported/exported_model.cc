#include "coordinator/model/exported/exported_model.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/model/exported/raise.h"
#include "coordinator/model/finding.h"
#include "proto/support/status_macros.h"

namespace autotp::model {
namespace {

namespace fs = std::filesystem;

std::string PathOf(const std::string& folder, absl::string_view name) {
  return (fs::path(folder) / std::string(name)).string();
}

}  // namespace

bool IsImported(const std::string& folder) {
  std::error_code error;
  return fs::exists(PathOf(folder, kProgramFile), error);
}

absl::StatusOr<ProgramFile> LoadImported(const std::string& folder,
                                         const ProgramSizes& sizes) {
  const std::string path = PathOf(folder, kProgramFile);
  AUTOTP_ASSIGN_OR_RETURN(ProgramFile file, ReadProgramFile(path, sizes));
  for (size_t p : file.stored) {
    program::Parameter& constant = file.program.parameters[p];
    constant.source_file = PathOf(folder, kConstantsFile);
    constant.source_tensor = constant.name;
  }
  absl::StatusOr<program::Program> raised = Raise(file.program);
  absl::Status status = raised.status();
  if (status.ok()) status = CheckProgram(*raised);
  if (!status.ok()) {
    return ToStatus({.reason = "MODEL_PROGRAM_INVALID",
                     .file = path,
                     .message = std::string(status.message())});
  }
  file.program = *std::move(raised);
  return file;
}

}  // namespace autotp::model
