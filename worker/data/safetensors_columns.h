// safetensors_columns.h -- columns of a .safetensors file (dataset.h).
#ifndef AUTOTP_WORKER_DATA_SAFETENSORS_COLUMNS_H_
#define AUTOTP_WORKER_DATA_SAFETENSORS_COLUMNS_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/data/column.h"
#include "worker/data/dataset.h"
#include "worker/data/mapped_file.h"

namespace autotp::data {

// Checks the header against the columns. INVALID_ARGUMENT: a tensor that is
// missing, of another shape, of a type that does not fit, or of fewer rows
// than the others.
absl::StatusOr<std::unique_ptr<Dataset>> MakeSafetensorsColumns(
    std::unique_ptr<MappedFile> file, std::vector<Column> columns);

}  // namespace autotp::data

#endif  // AUTOTP_WORKER_DATA_SAFETENSORS_COLUMNS_H_
