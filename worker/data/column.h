// column.h -- what a program asks of its data, input by input.
//
// Most programs take token ids and labels, which any data set of tokens gives.
// Others take named columns of numbers, one row per sample: a data set has one
// column per input, of that name.
//
// Pure.
#ifndef AUTOTP_WORKER_DATA_COLUMN_H_
#define AUTOTP_WORKER_DATA_COLUMN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "autotp/v1/program.pb.h"

namespace autotp::data {

enum class ColumnType { kInteger, kFloat, kBool };  // int64, fp32, a byte

int64_t SizeOf(ColumnType type);            // bytes of a number
absl::string_view NameOf(ColumnType type);  // "integers"

struct Column {
  std::string name;
  std::vector<int64_t> shape;  // of one row
  ColumnType type = ColumnType::kInteger;
  int64_t below = 0;  // integers have to be in [0, below); 0: any

  int64_t count() const;  // numbers of one row
};

// Whether a data set of tokens gives what the program asks for: input_ids and
// labels, and positions where documents are packed.
bool TakesTokens(const v1::Program& program);

// The columns of the program's inputs, whose first dimension is the
// micro-batch. Token ids have to be below the vocabulary, if there is one.
// INVALID_ARGUMENT: an input without a name or a first dimension.
absl::StatusOr<std::vector<Column>> ColumnsOf(const v1::Program& program,
                                              int64_t vocabulary_size);

}  // namespace autotp::data

#endif  // AUTOTP_WORKER_DATA_COLUMN_H_
