// data_check.h -- whether the data files are there and long enough.
//
// Looks at names, sizes and line ends only; the worker's data module opens the
// file for real, and finds what is malformed inside it.
#ifndef AUTOTP_COORDINATOR_PLANNER_DATA_CHECK_H_
#define AUTOTP_COORDINATOR_PLANNER_DATA_CHECK_H_

#include <cstdint>

#include "autotp/v1/training.pb.h"
#include "coordinator/config/diagnostics.h"

namespace autotp::planner {

// Reports DATA_MISSING, DATA_PATH_RELATIVE, DATA_TOO_SHORT (one file: for one
// batch; several: for one sequence each), DATA_WEIGHT_INVALID,
// DATA_SEPARATOR_MISSING and DATA_SEPARATOR_UNUSED. A batch of 0
// sequences, which an invalid config leaves, checks existence only.
void CheckData(const v1::DataSource& data, int64_t sequence_length,
               int64_t train_batch_size, config::Diagnostics* diagnostics);

// Reports DATA_SEPARATOR_UNKNOWN: no token of the model.
void CheckSeparator(const v1::DataSource& data, int64_t vocabulary_size,
                    config::Diagnostics* diagnostics);

}  // namespace autotp::planner

#endif  // AUTOTP_COORDINATOR_PLANNER_DATA_CHECK_H_
