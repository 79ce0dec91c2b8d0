// safetensors_writer.h -- writes one safetensors file, tensor by tensor.
//
// Flow: part.h, export.h -> Create() with all names and shapes -> Append() of
// values in that order, in pieces of any size -> Commit().
//
// Threading: one thread at a time. Memory: one bounce buffer.
#ifndef AUTOTP_WORKER_CHECKPOINT_SAFETENSORS_WRITER_H_
#define AUTOTP_WORKER_CHECKPOINT_SAFETENSORS_WRITER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "worker/checkpoint/element.h"
#include "worker/checkpoint/output_file.h"
#include "worker/checkpoint/slice.h"

namespace autotp::checkpoint {

class SafetensorsWriter {
 public:
  struct Tensor {
    std::string name;
    Shape shape;
  };
  using Metadata = std::map<std::string, std::string, std::less<>>;

  // All tensors have the element type `element`.
  static absl::StatusOr<std::unique_ptr<SafetensorsWriter>> Create(
      const std::string& path, const std::vector<Tensor>& tensors,
      Element element, const Metadata& metadata);

  // The next `count` elements, converted on the way.
  absl::Status Append(const float* values, int64_t count);
  // INTERNAL: fewer or more elements than the header says were appended.
  absl::Status Commit();

  int64_t size_bytes() const { return file_->size_bytes(); }
  std::string Digest() const { return file_->Digest(); }

 private:
  SafetensorsWriter(std::unique_ptr<OutputFile> file, Element element,
                    int64_t elements_left)
      : file_(std::move(file)),
        element_(element),
        elements_left_(elements_left) {}

  std::unique_ptr<OutputFile> file_;
  const Element element_;
  int64_t elements_left_;
  std::vector<char> bounce_;
};

}  // namespace autotp::checkpoint

#endif  // AUTOTP_WORKER_CHECKPOINT_SAFETENSORS_WRITER_H_
