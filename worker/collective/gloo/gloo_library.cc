#include "worker/collective/gloo/gloo_library.h"

#include <dlfcn.h>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "worker/collective/plugin.h"

namespace autotp::collective {

absl::StatusOr<const AutotpGlooApi*> LoadGloo(
    const std::string& plugin_directory) {
  int flags = RTLD_NOW | RTLD_LOCAL;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  // Its references to gloo:: go to its own libgloo, not to LibTorch's. The
  // sanitizers refuse this; there the check at connection has to do.
  flags |= RTLD_DEEPBIND;
#endif
  AUTOTP_ASSIGN_OR_RETURN(
      void* symbol,
      LoadPlugin(PluginPath(plugin_directory, "libautotp_gloo.so"), flags,
                 "autotp_gloo_api"));
  const AutotpGlooApi* api = reinterpret_cast<AutotpGlooApiFunction*>(symbol)();
  if (api->version != kAutotpGlooVersion) {
    return absl::UnimplementedError(absl::StrCat(
        "libautotp_gloo.so has version ", api->version, ", this program needs ",
        kAutotpGlooVersion, "; install both from one build"));
  }
  return api;
}

}  // namespace autotp::collective
