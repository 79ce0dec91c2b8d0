// safetensors_header.h -- the JSON header of a safetensors file.
//
// A file is: its header's length N (u64, little-endian), N bytes of JSON, the
// tensors' bytes. Offsets in the header count from byte 8 + N.
//
// Pure: text in, text out.
#ifndef AUTOTP_WORKER_CHECKPOINT_SAFETENSORS_HEADER_H_
#define AUTOTP_WORKER_CHECKPOINT_SAFETENSORS_HEADER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "worker/checkpoint/slice.h"

namespace autotp::checkpoint {

inline constexpr int64_t kHeaderBytesMax = 100'000'000;

struct TensorEntry {
  std::string element;  // "F32"
  Shape shape;
  Range bytes;  // of the data that follows the header
};

struct SafetensorsHeader {
  std::map<std::string, TensorEntry, std::less<>> tensors;
  std::map<std::string, std::string, std::less<>> metadata;
  int64_t data_begin = 0;  // file offset of the first tensor byte
};

// `text` is the JSON of a file of `file_bytes` bytes. DATA_LOSS naming the
// tensor: not JSON, a key twice, an unknown element type, a shape that does
// not give the bytes, overlaps, holes, bytes beyond the file or left over.
absl::StatusOr<SafetensorsHeader> ParseHeader(absl::string_view text,
                                              int64_t file_bytes);

struct NamedTensor {
  std::string name;
  TensorEntry entry;
};

// The length and the JSON, padded so that the data begins at a multiple of 64
// bytes. Tensors are written in the order given.
std::string FormatHeader(
    const std::vector<NamedTensor>& tensors,
    const std::map<std::string, std::string, std::less<>>& metadata);

}  // namespace autotp::checkpoint

#endif  // AUTOTP_WORKER_CHECKPOINT_SAFETENSORS_HEADER_H_
