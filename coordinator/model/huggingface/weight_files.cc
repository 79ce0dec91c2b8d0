#include "coordinator/model/huggingface/weight_files.h"

#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "coordinator/model/finding.h"
#include "coordinator/model/huggingface/json_text.h"
#include "proto/support/status_macros.h"

namespace autotp::model {
namespace {

namespace fs = std::filesystem;

constexpr char kSingleFile[] = "model.safetensors";
constexpr char kIndexFile[] = "model.safetensors.index.json";
constexpr size_t kMostIndexBytes = size_t{64} << 20;

absl::Status Invalid(const std::string& file, std::string message) {
  return ToStatus({.reason = "WEIGHTS_INVALID",
                   .file = file,
                   .message = std::move(message)});
}

absl::Status Missing(const fs::path& folder) {
  std::error_code error;
  const bool pickled =
      fs::exists(folder / "pytorch_model.bin", error) ||
      fs::exists(folder / "pytorch_model.bin.index.json", error);
  return ToStatus(
      {.reason = "WEIGHTS_MISSING",
       .file = folder.string(),
       .message = pickled ? "has only pickled weights (pytorch_model.bin), "
                            "which can run code and are not read"
                          : absl::StrCat("has no ", kSingleFile, " and no ",
                                         kIndexFile),
       .suggestion =
           pickled ? "convert them with save_pretrained(), which writes "
                     "safetensors"
                   : "train from random weights (--init random) or add the "
                     "weights"},
      absl::StatusCode::kNotFound);
}

// A name in the index must not lead out of the folder.
bool IsPlainFileName(const std::string& name) {
  return absl::EndsWith(name, ".safetensors") && name.find('/') == name.npos &&
         name.find('\\') == name.npos && name.find('\0') == name.npos;
}

absl::Status AddFile(const std::string& path, WeightTensors* tensors) {
  AUTOTP_ASSIGN_OR_RETURN(StoredTensors stored, ReadSafetensorsHeader(path));
  for (auto& [name, tensor] : stored) {
    const auto [entry, added] =
        tensors->emplace(name, WeightTensor{path, std::move(tensor)});
    if (!added) {
      return Invalid(path, absl::StrCat("tensor '", name, "' is also in ",
                                        entry->second.file));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<WeightTensors> ReadSharded(const fs::path& folder) {
  AUTOTP_ASSIGN_OR_RETURN(
      const JsonText index,
      ReadJsonFile((folder / kIndexFile).string(), kMostIndexBytes));
  const auto map = index.root.find("weight_map");
  if (map == index.root.end() || !map->is_object() || map->empty())
    return Invalid(index.file, "has no 'weight_map' from tensors to files");
  std::set<std::string> files;
  for (const auto& [name, file] : map->items()) {
    if (!file.is_string() || !IsPlainFileName(file.get<std::string>())) {
      return Invalid(index.file, absl::StrCat("maps tensor '", name,
                                              "' to no safetensors file "
                                              "beside it"));
    }
    files.insert(file.get<std::string>());
  }
  WeightTensors tensors;
  for (const std::string& file : files)
    AUTOTP_RETURN_IF_ERROR(AddFile((folder / file).string(), &tensors));
  for (const auto& [name, file] : map->items()) {
    const auto found = tensors.find(name);
    const std::string expected = (folder / file.get<std::string>()).string();
    if (found == tensors.end() || found->second.file != expected) {
      return Invalid(index.file, absl::StrCat("maps tensor '", name, "' to ",
                                              file.get<std::string>(),
                                              ", which does not hold it"));
    }
  }
  return tensors;
}

}  // namespace

absl::StatusOr<WeightTensors> ReadWeightHeaders(const std::string& folder) {
  const fs::path path(folder);
  std::error_code error;
  if (fs::exists(path / kSingleFile, error)) {
    WeightTensors tensors;
    AUTOTP_RETURN_IF_ERROR(AddFile((path / kSingleFile).string(), &tensors));
    return tensors;
  }
  if (fs::exists(path / kIndexFile, error)) return ReadSharded(path);
  return Missing(path);
}

}  // namespace autotp::model
