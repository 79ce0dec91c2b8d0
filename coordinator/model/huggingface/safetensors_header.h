// safetensors_header.h -- which tensors a safetensors file holds, and where.
//
// Reads the header and the file's size, never the data. Everything that the
// format promises is checked, so that readers of slices need not: no holes,
// no overlaps, nothing outside, sizes that match shape and dtype.
#ifndef AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_SAFETENSORS_HEADER_H_
#define AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_SAFETENSORS_HEADER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace autotp::model {

struct StoredTensor {
  std::string dtype;  // as the file spells it: "F32", "BF16"
  std::vector<int64_t> shape;
  int64_t begin = 0;  // bytes behind the header
  int64_t end = 0;
};

using StoredTensors = std::map<std::string, StoredTensor, std::less<>>;

// Findings: WEIGHTS_UNREADABLE, WEIGHTS_INVALID; they name file and tensor.
absl::StatusOr<StoredTensors> ReadSafetensorsHeader(const std::string& path);

// The same for a header's text; `data_bytes` follow it in the file.
absl::StatusOr<StoredTensors> ParseSafetensorsHeader(const std::string& file,
                                                     absl::string_view header,
                                                     int64_t data_bytes);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_SAFETENSORS_HEADER_H_
