#include "worker/checkpoint/find_checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "autotp/v1/checkpoint.pb.h"
#include "worker/checkpoint/manifest.h"

namespace autotp::checkpoint {
namespace {

namespace fs = std::filesystem;

// What a folder is if an entry of it begins and ends so.
struct Mark {
  absl::string_view begin;
  absl::string_view end;
  absl::string_view what;
  absl::string_view advice;
};

constexpr absl::string_view kDeepSpeed = "a DeepSpeed checkpoint";
constexpr absl::string_view kOfDeepSpeed =
    "it is not read here: the zero_to_fp32.py beside it makes weights of it, "
    "and a model folder with these can be trained";
constexpr absl::string_view kOfPyTorch =
    "only AutoTP's own checkpoints are exported";

// In this order: DeepSpeed's files end like PyTorch's.
constexpr Mark kMarks[] = {
    {"mp_rank_", "_model_states.pt", kDeepSpeed, kOfDeepSpeed},
    {"zero_pp_rank_", ".pt", kDeepSpeed, kOfDeepSpeed},
    {"bf16_zero_pp_rank_", ".pt", kDeepSpeed, kOfDeepSpeed},
    {"layer_", "-model_states.pt", kDeepSpeed, kOfDeepSpeed},
    {"zero_to_fp32.py", "", kDeepSpeed, kOfDeepSpeed},
    {"global_step", "", kDeepSpeed, kOfDeepSpeed},
    {"", ".distcp", "a checkpoint of torch.distributed", kOfPyTorch},
    {"model", ".safetensors", "a Hugging Face model folder",
     "it is exported already"},
    {"model.safetensors.index.json", "", "a Hugging Face model folder",
     "it is exported already"},
    {"pytorch_model", ".bin",
     "a Hugging Face model folder with PyTorch's "
     "weights",
     kOfPyTorch},
    {"", ".pt", "a folder of PyTorch's files", kOfPyTorch},
    {"", ".pth", "a folder of PyTorch's files", kOfPyTorch},
};

std::vector<std::string> NamesIn(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator it(folder, error), end;
  for (; !error && it != end; it.increment(error))
    names.push_back(it->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

bool IsThere(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

std::string ManifestIn(const fs::path& folder) {
  return (folder / kManifestName).string();
}

// Of the committed ones below `folder`, the one of the last step. What cannot
// be read is passed over, as where a run resumes.
absl::StatusOr<std::string> Newest(const fs::path& folder) {
  std::optional<int64_t> step;
  std::string newest;
  int uncommitted = 0;
  for (const std::string& name : NamesIn(folder)) {
    const std::string path = ManifestIn(folder / name);
    const absl::StatusOr<v1::Manifest> manifest =
        ReadManifest(path, Verify::kSizes);
    if (!manifest.ok()) {
      ++uncommitted;
    } else if (!step.has_value() || manifest->step() >= *step) {
      step = manifest->step();
      newest = path;
    }
  }
  if (step.has_value()) return newest;
  return absl::NotFoundError(absl::StrCat(
      folder.string(), ": holds no committed checkpoint",
      uncommitted > 0 ? absl::StrCat(" (", uncommitted, " that are not whole)")
                      : ""));
}

absl::Status SayWhatItIs(const fs::path& folder) {
  const std::vector<std::string> names = NamesIn(folder);
  for (const Mark& mark : kMarks) {
    for (const std::string& name : names) {
      if (!absl::StartsWith(name, mark.begin) ||
          !absl::EndsWith(name, mark.end))
        continue;
      return absl::InvalidArgumentError(absl::StrCat(
          folder.string(), ": is ", mark.what, " (", name, "); ", mark.advice));
    }
  }
  const auto parts = std::count_if(
      names.begin(), names.end(),
      [](absl::string_view name) { return absl::StartsWith(name, "rank-"); });
  if (parts > 0) {
    return absl::DataLossError(absl::StrCat(
        folder.string(), ": was never committed: it has ", parts,
        parts == 1 ? " part" : " parts", " but no ", kManifestName,
        ", so the run ended while it was saved; use an older one"));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      folder.string(), ": is no checkpoint, it has no ", kManifestName,
      "; give a folder like OUTPUT/checkpoints/step-..., or OUTPUT itself for "
      "the newest"));
}

}  // namespace

absl::StatusOr<std::string> FindManifest(const std::string& path) {
  fs::path folder = fs::path(path).lexically_normal();
  if (folder.filename().empty()) folder = folder.parent_path();
  std::error_code error;
  if (folder.filename() == "latest" && !fs::is_directory(folder, error))
    folder = folder.parent_path();
  if (!IsThere(folder)) {
    return absl::NotFoundError(
        absl::StrCat(folder.string(), ": no such folder"));
  }
  if (!fs::is_directory(folder, error)) {
    if (folder.filename() == kManifestName) return folder.string();
    return absl::InvalidArgumentError(absl::StrCat(
        folder.string(), ": is a file; give the folder of a checkpoint"));
  }
  if (IsThere(ManifestIn(folder))) return ManifestIn(folder);
  if (fs::is_directory(folder / "checkpoints", error))
    return Newest(folder / "checkpoints");
  if (folder.filename() == "checkpoints") return Newest(folder);
  return SayWhatItIs(folder);
}

}  // namespace autotp::checkpoint
