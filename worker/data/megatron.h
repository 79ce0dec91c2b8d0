// megatron.h -- Megatron's indexed data sets: PREFIX.idx beside PREFIX.bin.
//
// The index is the 9 bytes "MMIDIDX\0\0", version 1 (u64), a type code (u8),
// the numbers of sequences and of document bounds (u64 each), then lengths
// (i32), byte offsets (i64) and document bounds (i64), unaligned. The tokens
// of all sequences lie back to back in the .bin: they are read as one stream.
//
// Type codes 6 to 8 differ between writers (Megatron: f64, f32, u16;
// DeepSpeed: u16, u32, u64), so the width comes from the size of the .bin.
#ifndef AUTOTP_WORKER_DATA_MEGATRON_H_
#define AUTOTP_WORKER_DATA_MEGATRON_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "worker/data/token_stream.h"

namespace autotp::data {

// The bytes begin an index.
bool IsMegatronIndex(absl::string_view bytes);

// INVALID_ARGUMENT naming the file and what is wrong with it.
absl::StatusOr<TokenStream> FindMegatronTokens(
    const MappedFile& index, std::unique_ptr<MappedFile> tokens);

}  // namespace autotp::data

#endif  // AUTOTP_WORKER_DATA_MEGATRON_H_
