// token_stream.h -- a file's tokens as one stream, cut into sequences.
//
// Flow: raw_tokens.h, megatron.h and npy.h find where a file's tokens lie and
// how wide they are -> MakeStreamDataset().
#ifndef AUTOTP_WORKER_DATA_TOKEN_STREAM_H_
#define AUTOTP_WORKER_DATA_TOKEN_STREAM_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "worker/data/dataset.h"
#include "worker/data/mapped_file.h"

namespace autotp::data {

enum class TokenWidth { kU8, kI8, kU16, kI16, kU32, kI32, kU64, kI64 };

int64_t SizeOf(TokenWidth width);  // bytes

// Tokens of `file` from byte `begin`, `count` of them, little-endian and
// without gaps; not necessarily aligned.
struct TokenStream {
  std::unique_ptr<MappedFile> file;
  int64_t begin = 0;
  int64_t count = 0;
  TokenWidth width = TokenWidth::kU16;
};

struct StreamOptions {
  int64_t sequence_length = 0;
  int64_t vocabulary_size = 0;
  // The token that ends a document, where these are packed. A document that
  // does not end in its sequence goes on in the next one as another.
  std::optional<int64_t> separator;
};

// INVALID_ARGUMENT: fewer tokens than one sequence.
// REQUIRES: the tokens lie in the file.
absl::StatusOr<std::unique_ptr<Dataset>> MakeStreamDataset(
    TokenStream stream, const StreamOptions& options);

// OUT_OF_RANGE naming the place (file and byte or line), sequence, position
// and id.
absl::Status TokenError(const std::string& place, int64_t sequence,
                        int64_t position, int64_t id, int64_t vocabulary_size);

}  // namespace autotp::data

#endif  // AUTOTP_WORKER_DATA_TOKEN_STREAM_H_
