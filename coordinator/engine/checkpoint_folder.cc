#include "coordinator/engine/checkpoint_folder.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "autotp/v1/checkpoint.pb.h"

namespace autotp::engine {
namespace fs = std::filesystem;
namespace {

std::optional<v1::Manifest> ReadManifest(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return std::nullopt;
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  v1::Manifest manifest;
  if (!google::protobuf::util::JsonStringToMessage(text, &manifest, options)
           .ok()) {
    return std::nullopt;
  }
  return manifest;
}

bool IsWhole(const fs::path& folder, const v1::Manifest& manifest) {
  return manifest.parts_size() > 0 &&
         std::all_of(
             manifest.parts().begin(), manifest.parts().end(),
             [&folder](const v1::Part& part) {
               std::error_code error;
               const auto size = fs::file_size(folder / part.path(), error);
               return !error && static_cast<int64_t>(size) == part.size_bytes();
             });
}

}  // namespace

std::vector<core::FoundCheckpoint> FindCheckpoints(const std::string& output) {
  std::vector<core::FoundCheckpoint> found;
  std::error_code error;
  fs::directory_iterator it(fs::path(output) / "checkpoints", error), end;
  while (!error && it != end) {
    const fs::path folder = it->path();
    const auto manifest = ReadManifest(folder / "MANIFEST.json");
    if (manifest && IsWhole(folder, *manifest)) {
      found.push_back({folder.string(), manifest->step()});
    }
    it.increment(error);
  }
  // The order of a folder is the file system's; ours is the name's.
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  return found;
}

absl::Status RemoveCheckpoint(const std::string& folder) {
  std::error_code error;
  fs::remove(fs::path(folder) / "MANIFEST.json", error);
  if (!error) fs::remove_all(folder, error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("removing ", folder, ": ", error.message()));
}

}  // namespace autotp::engine
