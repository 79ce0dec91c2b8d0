// raw_tokens.h -- files that hold nothing but tokens, or llm.c's header first.
//
// The header of llm.c is 256 little-endian i32: magic, version, token count.
// Magic 20240520 with version 1 goes with u16, 20240801 with version 7 with
// u32; both numbers together are no stream of tokens.
#ifndef AUTOTP_WORKER_DATA_RAW_TOKENS_H_
#define AUTOTP_WORKER_DATA_RAW_TOKENS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "autotp/v1/training.pb.h"
#include "worker/data/token_stream.h"

namespace autotp::data {

// Unspecified type: by the header, else u16. INVALID_ARGUMENT: the size is no
// multiple of the token's, or not what the header says; the type is another
// than the header's.
absl::StatusOr<TokenStream> FindRawTokens(std::unique_ptr<MappedFile> file,
                                          v1::DataSource::TokenType type);

}  // namespace autotp::data

#endif  // AUTOTP_WORKER_DATA_RAW_TOKENS_H_
