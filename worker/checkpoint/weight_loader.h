// weight_loader.h -- the first values of a rank's parameters.
//
// Flow: trainer -> WeightLoader::Load() for each parameter of its local
// program -> this rank's slice, from the model's safetensors or at random.
//
// Threading: one thread at a time.
#ifndef AUTOTP_WORKER_CHECKPOINT_WEIGHT_LOADER_H_
#define AUTOTP_WORKER_CHECKPOINT_WEIGHT_LOADER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "autotp/v1/program.pb.h"
#include "autotp/v1/training.pb.h"
#include "worker/checkpoint/safetensors_reader.h"

namespace autotp::checkpoint {

class WeightLoader {
 public:
  WeightLoader(v1::ModelSource::Initialization initialization, uint64_t seed)
      : initialization_(initialization), seed_(seed) {}

  // Writes the slice, row-major, as fp32; `out` has room for it. Files stay
  // open for the next call. A tensor of more dimensions is a fused one, in
  // which the parameter lies from source.offset on.
  //   NOT_FOUND         the file or the tensor is missing
  //   INVALID_ARGUMENT  the tensor has another shape or element type
  //   DATA_LOSS         a malformed file
  absl::Status Load(const v1::Parameter& parameter, float* out);

  int64_t bytes_read() const;  // of tensors, from all files

 private:
  absl::StatusOr<SafetensorsFile*> FileAt(const std::string& path);

  const v1::ModelSource::Initialization initialization_;
  const uint64_t seed_;
  std::map<std::string, std::unique_ptr<SafetensorsFile>> files_;
};

}  // namespace autotp::checkpoint

#endif  // AUTOTP_WORKER_CHECKPOINT_WEIGHT_LOADER_H_
