#include "worker/collective/plugin.h"

#include <dlfcn.h>
#include <unistd.h>

#include <climits>

#include "absl/strings/str_cat.h"

namespace autotp::collective {
namespace {

std::string ProgramDirectory() {
  char path[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", path, sizeof(path));
  if (length <= 0) return ".";
  const std::string program(path, length);
  return program.substr(0, program.rfind('/'));
}

std::string LoaderError() {
  const char* error = dlerror();
  return error == nullptr ? "unknown error" : error;
}

}  // namespace

std::string PluginPath(const std::string& directory, const std::string& file) {
  return absl::StrCat(directory.empty() ? ProgramDirectory() : directory, "/",
                      file);
}

absl::StatusOr<void*> LoadPlugin(const std::string& path, int flags,
                                 const char* symbol) {
  void* library = dlopen(path.c_str(), flags);
  if (library == nullptr) {
    return absl::UnimplementedError(
        absl::StrCat("cannot load ", path, ": ", LoaderError(),
                     "; install it beside the program"));
  }
  void* address = dlsym(library, symbol);
  if (address == nullptr) {
    return absl::UnimplementedError(
        absl::StrCat(path, " lacks ", symbol, ": ", LoaderError(),
                     "; install program and plug-in from one build"));
  }
  return address;
}

}  // namespace autotp::collective
