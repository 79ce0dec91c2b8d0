// mixed_dataset.h -- several files as one data set; sampler.h mixes them.
#ifndef AUTOTP_WORKER_DATA_MIXED_DATASET_H_
#define AUTOTP_WORKER_DATA_MIXED_DATASET_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "worker/data/dataset.h"

namespace autotp::data {

// `weights`, one a file; all 0: as the files have sequences. The sequences of
// the first file come first, then the second's, and so on.
// INVALID_ARGUMENT: a weight that is negative, no number, or 0 beside others.
// REQUIRES: files of one sequence length, at least one.
absl::StatusOr<std::unique_ptr<Dataset>> MakeMixedDataset(
    std::vector<std::unique_ptr<Dataset>> files, std::vector<double> weights);

}  // namespace autotp::data

#endif  // AUTOTP_WORKER_DATA_MIXED_DATASET_H_
