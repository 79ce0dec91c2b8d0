// column_check.h -- whether a data file has the columns that a model's inputs
// ask for, where those are more than token ids and labels.
//
// Looks at the first line of a .jsonl file and at the header of a .safetensors
// file; the worker's data module reads every row for real.
#ifndef AUTOTP_COORDINATOR_PLANNER_COLUMN_CHECK_H_
#define AUTOTP_COORDINATOR_PLANNER_COLUMN_CHECK_H_

#include <cstdint>

#include "autotp/v1/training.pb.h"
#include "coordinator/config/diagnostics.h"
#include "coordinator/program/program.h"

namespace autotp::planner {

// Reports DATA_COLUMN_MISSING, DATA_COLUMN_MISSHAPEN, DATA_TOO_SHORT and
// DATA_UNREADABLE. A file that is not there is CheckData's to report.
void CheckColumns(const v1::DataSource& data, const program::Program& program,
                  int64_t train_batch_size, config::Diagnostics* diagnostics);

}  // namespace autotp::planner

#endif  // AUTOTP_COORDINATOR_PLANNER_COLUMN_CHECK_H_
