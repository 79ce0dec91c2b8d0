// gloo_library.h -- finds and loads libautotp_gloo.so.
#ifndef AUTOTP_WORKER_COLLECTIVE_GLOO_GLOO_LIBRARY_H_
#define AUTOTP_WORKER_COLLECTIVE_GLOO_GLOO_LIBRARY_H_

#include <string>

#include "absl/status/statusor.h"
#include "worker/collective/gloo/gloo_plugin.h"

namespace autotp::collective {

// The table stays valid: the library is never unloaded. UNIMPLEMENTED if it
// is not there or does not load.
absl::StatusOr<const AutotpGlooApi*> LoadGloo(
    const std::string& plugin_directory);

}  // namespace autotp::collective

#endif  // AUTOTP_WORKER_COLLECTIVE_GLOO_GLOO_LIBRARY_H_
