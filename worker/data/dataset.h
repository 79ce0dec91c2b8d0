// dataset.h -- sequences of tokens from files, whatever their formats.
//
// Flow: trainer -> OpenDataset() -> feed.h asks sampler.h which sequences ->
// ReadBatch() -> the program's inputs.
//
// Formats, told by content first and extension second:
//   raw tokens      little-endian u16 or u32, with or without the 1 KiB header
//                   of llm.c
//   Megatron        PREFIX.idx with PREFIX.bin; the path may be either or
//                   PREFIX
//   NumPy           .npy, 1-D, or 2-D with one sequence a row
//   columns         JSON lines or safetensors, where a program's inputs are
//                   others than these (column.h): an object a line, a column a
//                   number or a list, nested as its shape or flat; or a tensor
//                   of the column's name whose first dimension counts the rows.
//                   Columns that nobody asks for are left alone
//   JSON lines      {"input_ids": [...], "labels": [...]} a line; labels are
//                   optional, -100 is left out of the loss
// Sequence i of a flat token file is tokens [iT, (i+1)T); a rest shorter than
// T is not used. Labels are the inputs: the loss does the shift.
//
// Where documents are packed, a token's position is its distance from the
// first token of its document in the sequence, and that first token is never
// predicted: its label is left out. Elsewhere a sequence is one document.
//
// Threading: a Dataset is immutable; Read() from any thread.
#ifndef AUTOTP_WORKER_DATA_DATASET_H_
#define AUTOTP_WORKER_DATA_DATASET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "autotp/v1/training.pb.h"
#include "worker/data/column.h"

namespace autotp::data {

inline constexpr int64_t kIgnoredLabel = -100;

// Where a sequence goes: sequence_length() numbers each.
struct SequenceSpans {
  absl::Span<int64_t> input_ids;
  absl::Span<int64_t> labels;
  absl::Span<int64_t> positions;
};

// A file of a data set of several.
struct MixedFile {
  int64_t sequence_count = 0;
  double weight = 0;  // share of the sequences, relative to the others'
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t sequence_count() const = 0;
  virtual int64_t sequence_length() const = 0;
  virtual const std::string& path() const = 0;
  // Files that are mixed; their sequences are numbered through. Empty: one.
  virtual std::vector<MixedFile> files() const { return {}; }
  // Writes sequence `index`.
  //   OUT_OF_RANGE      a token id that the vocabulary lacks; names file,
  //                     byte or line, sequence, position and id
  //   INVALID_ARGUMENT  a malformed line (JSON lines)
  //   DATA_LOSS         the file was cut short since it was opened
  // REQUIRES: 0 <= index < sequence_count().
  virtual absl::Status Read(int64_t index, const SequenceSpans& out) const = 0;

  // Of a data set of columns, which has no sequences but rows: what a row
  // holds, and row `index`, column i to out[i]. Errors as those of Read.
  virtual const std::vector<Column>& columns() const;
  virtual absl::Status ReadRow(int64_t index,
                               absl::Span<char* const> out) const;
};

// Token ids have to be in [0, vocabulary_size).
//   NOT_FOUND         no such file
//   INVALID_ARGUMENT  a malformed or unknown file, or one that holds no
//                     sequence of that length; weights or a separator that
//                     make no sense
absl::StatusOr<std::unique_ptr<Dataset>> OpenDataset(
    const v1::DataSource& source, int64_t sequence_length,
    int64_t vocabulary_size);

// What gives a program its inputs: tokens where those will do, else columns.
absl::StatusOr<std::unique_ptr<Dataset>> OpenDatasetFor(
    const v1::Program& program, const v1::DataSource& source,
    int64_t sequence_length, int64_t vocabulary_size);

// One file of columns; errors as those of OpenDataset.
absl::StatusOr<std::unique_ptr<Dataset>> OpenColumns(
    const v1::DataSource& source, std::vector<Column> columns);

// B sequences of T tokens, row-major.
struct Batch {
  std::vector<int64_t> input_ids;
  std::vector<int64_t> labels;
  std::vector<int64_t> positions;
  int64_t B = 0;
  int64_t T = 0;
  std::vector<std::vector<char>> columns;  // instead of the tokens

  // For a program with `count` inputs: 2, or 3 with positions; or one per
  // column.
  std::vector<const void*> Inputs(int count) const;
};

absl::StatusOr<Batch> ReadBatch(const Dataset& dataset,
                                absl::Span<const int64_t> sequences);

}  // namespace autotp::data

#endif  // AUTOTP_WORKER_DATA_DATASET_H_
