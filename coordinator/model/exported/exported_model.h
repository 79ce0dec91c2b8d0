// exported_model.h -- an imported folder becomes a program.
#ifndef AUTOTP_COORDINATOR_MODEL_EXPORTED_EXPORTED_MODEL_H_
#define AUTOTP_COORDINATOR_MODEL_EXPORTED_EXPORTED_MODEL_H_

#include <string>

#include "absl/status/statusor.h"
#include "coordinator/model/exported/program_file.h"

namespace autotp::model {

// Does the folder hold what autotp-import wrote? Then that is the model, also
// where config.json names a family that is known.
bool IsImported(const std::string& folder);

// The program file of `folder`, raised; constants have their source.
// Findings: as ReadProgramFile.
absl::StatusOr<ProgramFile> LoadImported(const std::string& folder,
                                         const ProgramSizes& sizes);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_EXPORTED_EXPORTED_MODEL_H_
