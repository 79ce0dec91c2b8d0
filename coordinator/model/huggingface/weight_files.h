// weight_files.h -- all tensors that a model folder stores.
//
// One file, model.safetensors, or several that model.safetensors.index.json
// names.
#ifndef AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_WEIGHT_FILES_H_
#define AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_WEIGHT_FILES_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "coordinator/model/huggingface/safetensors_header.h"

namespace autotp::model {

struct WeightTensor {
  std::string file;  // path
  StoredTensor stored;
};

using WeightTensors = std::map<std::string, WeightTensor, std::less<>>;

// Findings: WEIGHTS_MISSING (with what to do about pickled weights),
// WEIGHTS_INVALID: a broken file or index, a tensor that is in two files or
// not in the file that the index names.
absl::StatusOr<WeightTensors> ReadWeightHeaders(const std::string& folder);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_WEIGHT_FILES_H_
