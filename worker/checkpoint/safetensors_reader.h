// safetensors_reader.h -- slices of the tensors of one safetensors file.
//
// Flow: weight_loader.h, restore.h -> SafetensorsFile -> pread of exactly the
// bytes that the slice needs.
//
// Threading: one thread at a time.
#ifndef AUTOTP_WORKER_CHECKPOINT_SAFETENSORS_READER_H_
#define AUTOTP_WORKER_CHECKPOINT_SAFETENSORS_READER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "worker/checkpoint/element.h"
#include "worker/checkpoint/safetensors_header.h"
#include "worker/checkpoint/slice.h"

namespace autotp::checkpoint {

class SafetensorsFile {
 public:
  // Reads and checks the header (safetensors_header.h).
  //   NOT_FOUND  no such file
  //   DATA_LOSS  truncated, overlapping, with holes, or not safetensors
  static absl::StatusOr<std::unique_ptr<SafetensorsFile>> Open(
      const std::string& path);
  ~SafetensorsFile();
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  const std::string& path() const { return path_; }
  const SafetensorsHeader& header() const { return header_; }
  // NOT_FOUND: the file has no such tensor.
  absl::StatusOr<const TensorEntry*> Find(absl::string_view name) const;

  // Elements `local` of the slice (row-major, as slice.h numbers them), as
  // fp32; F32, BF16 and F16 are read.
  //   NOT_FOUND         no such tensor
  //   INVALID_ARGUMENT  another element type, or a slice outside the tensor
  //   DATA_LOSS         the file ends early
  absl::Status Read(absl::string_view name, const Slice& slice, Range local,
                    float* out);
  // The whole slice.
  absl::Status Read(absl::string_view name, const Slice& slice, float* out);
  // The slice of a tensor of `shape` that lies in the tensor `name`, row-major
  // and without holes, from its element `first` on.
  absl::Status ReadInside(absl::string_view name, int64_t first,
                          absl::Span<const int64_t> shape, const Slice& slice,
                          float* out);

  int64_t bytes_read() const { return bytes_read_; }  // of tensors

 private:
  SafetensorsFile(std::string path, int descriptor);
  absl::Status ReadHeader();
  absl::Status ReadBytes(int64_t offset, int64_t count, void* out);
  absl::Status ReadElements(const TensorEntry& entry, Element element,
                            int64_t first, int64_t count, float* out);

  std::string path_;
  int descriptor_;
  SafetensorsHeader header_;
  int64_t bytes_read_ = 0;
  std::vector<char> bounce_;  // bytes on their way to fp32
};

}  // namespace autotp::checkpoint

#endif  // AUTOTP_WORKER_CHECKPOINT_SAFETENSORS_READER_H_
