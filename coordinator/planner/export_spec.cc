#include "coordinator/planner/export_spec.h"

#include <filesystem>

namespace autotp::planner {
namespace {

// As save_pretrained cuts its files.
constexpr int64_t kLargestFileBytes = 5'000'000'000;

// As config.json spells it.
const char* DtypeName(v1::DataType dtype) {
  switch (dtype) {
    case v1::DATA_TYPE_BFLOAT16:
      return "bfloat16";
    case v1::DATA_TYPE_FLOAT16:
      return "float16";
    default:
      return "float32";
  }
}

}  // namespace

v1::ExportSpec MakeExportSpec(const v1::RunSettings& run,
                              v1::DataType trained_dtype,
                              const model::LoadedModel& model) {
  v1::ExportSpec spec;
  if (!run.output_path().empty()) {
    spec.set_path((std::filesystem::path(run.output_path()) / "model")
                      .lexically_normal()
                      .string());
  }
  spec.set_dtype(run.export_dtype() == v1::DATA_TYPE_UNSPECIFIED
                     ? trained_dtype
                     : run.export_dtype());
  spec.set_config_json(
      model::WithDtype(model.config_json, DtypeName(spec.dtype())));
  for (const std::string& file : model.copied_files) {
    spec.add_copied_files(file);
  }
  spec.set_max_file_bytes(kLargestFileBytes);
  spec.set_original_dtype(model::DtypeOf(model.config_json));
  return spec;
}

}  // namespace autotp::planner
