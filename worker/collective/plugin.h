// plugin.h -- shared libraries that a program takes only when it needs them.
#ifndef AUTOTP_WORKER_COLLECTIVE_PLUGIN_H_
#define AUTOTP_WORKER_COLLECTIVE_PLUGIN_H_

#include <string>

#include "absl/status/statusor.h"

namespace autotp::collective {

// `file` in `directory`; with an empty directory, beside the running program.
std::string PluginPath(const std::string& directory, const std::string& file);

// Loads `path` with dlopen's `flags`, for good, and looks up `symbol`.
// UNIMPLEMENTED if either is not there, with the loader's words.
absl::StatusOr<void*> LoadPlugin(const std::string& path, int flags,
                                 const char* symbol);

}  // namespace autotp::collective

#endif  // AUTOTP_WORKER_COLLECTIVE_PLUGIN_H_
