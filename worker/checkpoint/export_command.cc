#include "worker/checkpoint/export_command.h"

#include <cstdio>
#include <filesystem>
#include <map>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "proto/support/status_macros.h"
#include "worker/checkpoint/export.h"
#include "worker/checkpoint/find_checkpoint.h"
#include "worker/checkpoint/manifest.h"

namespace autotp::checkpoint {
namespace {

namespace fs = std::filesystem;

struct DtypeWord {
  absl::string_view word;    // of the command
  absl::string_view config;  // of config.json
  v1::DataType type;
};

constexpr DtypeWord kDtypes[] = {
    {"fp32", "float32", v1::DATA_TYPE_FLOAT32},
    {"bf16", "bfloat16", v1::DATA_TYPE_BFLOAT16},
    {"fp16", "float16", v1::DATA_TYPE_FLOAT16},
};

absl::StatusOr<v1::DataType> DtypeOf(const v1::ExportSpec& spec,
                                     const std::string& word) {
  if (word.empty()) return spec.dtype();
  if (word == "original") {
    if (spec.original_dtype() != v1::DATA_TYPE_UNSPECIFIED)
      return spec.original_dtype();
    return absl::InvalidArgumentError(
        "the model's own dtype is unknown, its config.json had none; give "
        "--dtype fp32, bf16 or fp16");
  }
  for (const DtypeWord& dtype : kDtypes)
    if (word == dtype.word || word == dtype.config) return dtype.type;
  return absl::InvalidArgumentError(absl::StrCat(
      "--dtype ", word, ": is none of original, fp32, bf16, fp16"));
}

// `text` with its dtype keys set to `type`; a config without them stays so.
absl::StatusOr<std::string> WithDtype(const std::string& text,
                                      v1::DataType type) {
  auto config = nlohmann::ordered_json::parse(text, nullptr,
                                              /*allow_exceptions=*/false);
  if (!config.is_object())
    return absl::DataLossError("the manifest's config_json is no JSON object");
  for (const DtypeWord& dtype : kDtypes) {
    if (dtype.type != type) continue;
    for (const char* key : {"dtype", "torch_dtype"})
      if (config.contains(key)) config[key] = std::string(dtype.config);
  }
  return absl::StrCat(config.dump(2), "\n");
}

absl::Status Unrecorded() {
  return absl::FailedPreconditionError(
      "the checkpoint does not say which model it is of: it was written by an "
      "older AutoTP; `autotp train --resume` for one more step writes one that "
      "does");
}

}  // namespace

absl::StatusOr<v1::ExportSpec> SpecFor(const v1::Manifest& manifest,
                                       const ExportWish& wish) {
  if (manifest.export_().config_json().empty()) return Unrecorded();
  v1::ExportSpec spec = manifest.export_();
  spec.set_path(wish.output);
  AUTOTP_ASSIGN_OR_RETURN(const v1::DataType dtype, DtypeOf(spec, wish.dtype));
  if (dtype != spec.dtype()) {
    AUTOTP_ASSIGN_OR_RETURN(*spec.mutable_config_json(),
                            WithDtype(spec.config_json(), dtype));
    spec.set_dtype(dtype);
  }
  if (wish.max_file_bytes > 0) spec.set_max_file_bytes(wish.max_file_bytes);
  for (std::string& file : *spec.mutable_copied_files()) {
    if (!wish.model.empty())
      file = (fs::path(wish.model) / fs::path(file).filename()).string();
    std::error_code error;
    if (!fs::is_regular_file(file, error)) {
      return absl::NotFoundError(absl::StrCat(
          file,
          ": is not there any more, but belongs to the model; give the "
          "folder that has it by --model"));
    }
  }
  return spec;
}

absl::StatusOr<std::string> ExportCheckpoint(const ExportWish& wish) {
  AUTOTP_ASSIGN_OR_RETURN(const std::string path,
                          FindManifest(wish.checkpoint));
  AUTOTP_ASSIGN_OR_RETURN(const v1::Manifest manifest,
                          ReadManifest(path, Verify::kSizes));
  AUTOTP_ASSIGN_OR_RETURN(const v1::ExportSpec spec, SpecFor(manifest, wish));
  AUTOTP_RETURN_IF_ERROR(ExportModel(path, spec, Verify::kDigests));
  return absl::StrCat("step ", manifest.step(), " of ", manifest.job(), ": ",
                      wish.output);
}

int RunExport(int argc, char** argv) {
  ExportWish wish;
  const std::map<absl::string_view, std::string*> texts = {
      {"--checkpoint", &wish.checkpoint},
      {"--output", &wish.output},
      {"--dtype", &wish.dtype},
      {"--model", &wish.model}};
  bool usable = argc % 2 == 0;
  for (int i = 0; usable && i < argc; i += 2) {
    const auto text = texts.find(argv[i]);
    if (text != texts.end()) {
      *text->second = argv[i + 1];
    } else {
      usable = absl::string_view(argv[i]) == "--max-file-bytes" &&
               absl::SimpleAtoi(argv[i + 1], &wish.max_file_bytes);
    }
  }
  if (!usable || wish.checkpoint.empty() || wish.output.empty()) {
    std::fprintf(stderr,
                 "usage: autotp-trainer --export --checkpoint FOLDER --output "
                 "FOLDER [--dtype original|fp32|bf16|fp16] [--max-file-bytes "
                 "N] [--model FOLDER]\n");
    return 2;
  }
  const absl::StatusOr<std::string> done = ExportCheckpoint(wish);
  if (done.ok()) {
    std::printf("%s\n", done->c_str());
    return 0;
  }
  std::fprintf(stderr, "autotp: %s\n",
               std::string(done.status().message()).c_str());
  const bool input = absl::IsInvalidArgument(done.status()) ||
                     absl::IsNotFound(done.status()) ||
                     absl::IsFailedPrecondition(done.status());
  return input ? 2 : 1;
}

}  // namespace autotp::checkpoint
