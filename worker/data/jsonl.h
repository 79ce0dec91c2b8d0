// jsonl.h -- one JSON object a line, with "input_ids" and maybe "labels".
#ifndef AUTOTP_WORKER_DATA_JSONL_H_
#define AUTOTP_WORKER_DATA_JSONL_H_

#include <memory>

#include "absl/status/statusor.h"
#include "worker/data/dataset.h"
#include "worker/data/mapped_file.h"

namespace autotp::data {

// A line is a sequence: every one has exactly the job's length.
// INVALID_ARGUMENT: no line, a line beyond 64 MiB, or a first line that is no
// sequence of that length.
absl::StatusOr<std::unique_ptr<Dataset>> MakeJsonLinesDataset(
    std::unique_ptr<MappedFile> file, int64_t sequence_length,
    int64_t vocabulary_size);

// A line is a document of any length: a sequence takes lines in file order as
// long as they fit. One that is longer than a sequence is cut into pieces,
// each a document. What is left of a sequence is filled with a document
// without labels.
// INVALID_ARGUMENT: no line, a line beyond 64 MiB, or a malformed one: all are
// parsed.
absl::StatusOr<std::unique_ptr<Dataset>> MakePackedLinesDataset(
    std::unique_ptr<MappedFile> file, int64_t sequence_length,
    int64_t vocabulary_size);

}  // namespace autotp::data

#endif  // AUTOTP_WORKER_DATA_JSONL_H_
