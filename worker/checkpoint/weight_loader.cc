#include "worker/checkpoint/weight_loader.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "worker/checkpoint/random_init.h"
#include "worker/checkpoint/slice.h"

namespace autotp::checkpoint {

absl::Status WeightLoader::Load(const v1::Parameter& parameter, float* out) {
  if (initialization_ == v1::ModelSource::INITIALIZATION_RANDOM)
    return DrawParameter(parameter, seed_, out);
  if (parameter.source().file().empty()) {
    return absl::NotFoundError(
        absl::StrCat("parameter ", parameter.name(),
                     ": the model's files have no weights for it"));
  }
  AUTOTP_ASSIGN_OR_RETURN(SafetensorsFile * file,
                          FileAt(parameter.source().file()));
  const std::string& name = parameter.source().tensor();
  AUTOTP_ASSIGN_OR_RETURN(const TensorEntry* entry, file->Find(name));
  const Shape wanted = ShapeOf(parameter);
  if (entry->shape.size() > wanted.size()) {
    return file->ReadInside(name, parameter.source().offset(), wanted,
                            SliceOf(parameter), out);
  }
  if (entry->shape != wanted) {
    return absl::InvalidArgumentError(
        absl::StrCat(file->path(), ": tensor \"", name, "\" has shape ",
                     DescribeShape(entry->shape), ", but config.json asks for ",
                     DescribeShape(wanted)));
  }
  return file->Read(name, SliceOf(parameter), out);
}

absl::StatusOr<SafetensorsFile*> WeightLoader::FileAt(const std::string& path) {
  std::unique_ptr<SafetensorsFile>& file = files_[path];
  if (file == nullptr) {
    AUTOTP_ASSIGN_OR_RETURN(file, SafetensorsFile::Open(path));
  }
  return file.get();
}

int64_t WeightLoader::bytes_read() const {
  int64_t total = 0;
  for (const auto& [path, file] : files_) {
    if (file != nullptr) total += file->bytes_read();
  }
  return total;
}

}  // namespace autotp::checkpoint
