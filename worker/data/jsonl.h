// jsonl.h -- one JSON object a line, with "input_ids" and maybe "labels".
//
// The places of the lines are indexed when the file is opened; a line is
// parsed when it is read. Every line has to hold one sequence of exactly the
// job's length.
#ifndef AUTOTP_WORKER_DATA_JSONL_H_
#define AUTOTP_WORKER_DATA_JSONL_H_

#include <memory>

#include "absl/status/statusor.h"
#include "worker/data/dataset.h"
#include "worker/data/mapped_file.h"

namespace autotp::data {

// INVALID_ARGUMENT: no line, a line beyond 64 MiB, or a first line that is no
// sequence of that length.
absl::StatusOr<std::unique_ptr<Dataset>> MakeJsonLinesDataset(
    std::unique_ptr<MappedFile> file, int64_t sequence_length,
    int64_t vocabulary_size);

}  // namespace autotp::data

#endif  // AUTOTP_WORKER_DATA_JSONL_H_
