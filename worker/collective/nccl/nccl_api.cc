#include "worker/collective/nccl/nccl_api.h"

#include <dlfcn.h>

#include "proto/support/status_macros.h"
#include "worker/collective/plugin.h"

namespace autotp::collective {
namespace {

template <typename Function>
absl::Status LookUp(const std::string& library, const char* symbol,
                    Function& function) {
  AUTOTP_ASSIGN_OR_RETURN(void* address,
                          LoadPlugin(library, RTLD_NOW | RTLD_LOCAL, symbol));
  function = reinterpret_cast<Function>(address);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<NcclApi> LoadNccl(const std::string& library) {
  NcclApi api{};
  const auto look_up = [&library](const char* symbol, auto& function) {
    return LookUp(library, symbol, function);
  };
  for (const absl::Status& status : {
           look_up("ncclGetUniqueId", api.get_unique_id),
           look_up("ncclCommInitRankConfig", api.init_rank),
           look_up("ncclCommSplit", api.split),
           look_up("ncclCommFinalize", api.finalize),
           look_up("ncclCommDestroy", api.destroy),
           look_up("ncclCommAbort", api.abort),
           look_up("ncclCommGetAsyncError", api.get_async_error),
           look_up("ncclGetErrorString", api.get_error_string),
           look_up("ncclGetLastError", api.get_last_error),
           look_up("ncclAllReduce", api.all_reduce),
           look_up("ncclReduceScatter", api.reduce_scatter),
           look_up("ncclAllGather", api.all_gather),
           look_up("ncclBroadcast", api.broadcast),
       }) {
    AUTOTP_RETURN_IF_ERROR(status);
  }
  return api;
}

}  // namespace autotp::collective
