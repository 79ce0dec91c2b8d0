// json_columns.h -- columns of a .jsonl file (dataset.h).
#ifndef AUTOTP_WORKER_DATA_JSON_COLUMNS_H_
#define AUTOTP_WORKER_DATA_JSON_COLUMNS_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/data/column.h"
#include "worker/data/dataset.h"
#include "worker/data/mapped_file.h"

namespace autotp::data {

// Reads the first line to see that it fits. INVALID_ARGUMENT if not.
absl::StatusOr<std::unique_ptr<Dataset>> MakeJsonColumns(
    std::unique_ptr<MappedFile> file, std::vector<Column> columns);

}  // namespace autotp::data

#endif  // AUTOTP_WORKER_DATA_JSON_COLUMNS_H_
