// npy.h -- token arrays of NumPy: .npy files of format 1, 2 and 3.
//
// 1-D arrays are a stream; the rows of a 2-D array are the sequences, so their
// length has to be the job's.
#ifndef AUTOTP_WORKER_DATA_NPY_H_
#define AUTOTP_WORKER_DATA_NPY_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "worker/data/token_stream.h"

namespace autotp::data {

bool IsNpy(absl::string_view bytes);

// INVALID_ARGUMENT: malformed, not little-endian integers in C order, or rows
// of another length.
absl::StatusOr<TokenStream> FindNpyTokens(std::unique_ptr<MappedFile> file,
                                          int64_t sequence_length);

}  // namespace autotp::data

#endif  // AUTOTP_WORKER_DATA_NPY_H_
