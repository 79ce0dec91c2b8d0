#include "worker/checkpoint/safetensors_writer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "worker/checkpoint/safetensors_header.h"

namespace autotp::checkpoint {
namespace {

constexpr int64_t kBounceBytes = 1 << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<SafetensorsWriter>> SafetensorsWriter::Create(
    const std::string& path, const std::vector<Tensor>& tensors,
    Element element, const Metadata& metadata) {
  std::vector<NamedTensor> entries;
  int64_t elements = 0;
  for (const Tensor& tensor : tensors) {
    const int64_t begin = elements * SizeOf(element);
    elements += ElementCount(tensor.shape);
    entries.push_back({tensor.name,
                       {std::string(ElementName(element)),
                        tensor.shape,
                        {begin, elements * SizeOf(element)}}});
  }
  AUTOTP_ASSIGN_OR_RETURN(std::unique_ptr<OutputFile> file,
                          OutputFile::Create(path, OutputFile::Mode::kReplace));
  AUTOTP_RETURN_IF_ERROR(file->Append(FormatHeader(entries, metadata)));
  return std::unique_ptr<SafetensorsWriter>(
      new SafetensorsWriter(std::move(file), element, elements));
}

absl::Status SafetensorsWriter::Append(const float* values, int64_t count) {
  if (count > elements_left_) {
    return absl::InternalError(absl::StrCat(
        count - elements_left_, " elements more than the header says"));
  }
  elements_left_ -= count;
  if (element_ == Element::kFloat32)
    return file_->Append(values, count * SizeOf(element_));
  bounce_.resize(kBounceBytes);
  const int64_t chunk = kBounceBytes / SizeOf(element_);
  for (int64_t done = 0; done < count; done += chunk) {
    const int64_t step = std::min(chunk, count - done);
    FromFloat(values + done, step, element_, bounce_.data());
    AUTOTP_RETURN_IF_ERROR(
        file_->Append(bounce_.data(), step * SizeOf(element_)));
  }
  return absl::OkStatus();
}

absl::Status SafetensorsWriter::Commit() {
  if (elements_left_ != 0) {
    return absl::InternalError(
        absl::StrCat(elements_left_, " elements fewer than the header says"));
  }
  return file_->Commit();
}

}  // namespace autotp::checkpoint
