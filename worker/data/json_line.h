// json_line.h -- the lines of a .jsonl file, and the tokens of one.
//
// The places of the lines are indexed when the file is opened; a line is
// parsed when it is read.
#ifndef AUTOTP_WORKER_DATA_JSON_LINE_H_
#define AUTOTP_WORKER_DATA_JSON_LINE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "worker/data/mapped_file.h"

namespace autotp::data {

struct JsonLine {
  int64_t number = 0;  // from 1, as editors count
  int64_t begin = 0;   // byte of the file
  int64_t size = 0;    // bytes
};

// Lines that are not blank. INVALID_ARGUMENT: there is none, or one beyond
// 64 MiB.
absl::StatusOr<std::vector<JsonLine>> FindJsonLines(const MappedFile& file);

struct JsonTokens {
  std::vector<int64_t> input_ids;
  std::vector<int64_t> labels;  // as many; the input ids where there are none
};

// Of {"input_ids": [...], "labels": [...]}. `index`: what messages call it
// beside the line. INVALID_ARGUMENT: malformed; OUT_OF_RANGE: an unknown token.
absl::Status ReadJsonLine(const MappedFile& file, const JsonLine& line,
                          int64_t index, int64_t vocabulary_size,
                          JsonTokens& out);

}  // namespace autotp::data

#endif  // AUTOTP_WORKER_DATA_JSON_LINE_H_
