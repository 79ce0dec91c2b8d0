// nccl_api.h -- NCCL's functions, looked up at run time.
//
// Only nccl.h is needed to build. libnccl.so.2 is taken when a group uses it,
// and a test can put a library on host memory in its place.
#ifndef AUTOTP_WORKER_COLLECTIVE_NCCL_NCCL_API_H_
#define AUTOTP_WORKER_COLLECTIVE_NCCL_NCCL_API_H_

#include <nccl.h>

#include <string>

#include "absl/status/statusor.h"

namespace autotp::collective {

struct NcclApi {
  decltype(&::ncclGetUniqueId) get_unique_id;
  decltype(&::ncclCommInitRankConfig) init_rank;
  decltype(&::ncclCommSplit) split;
  decltype(&::ncclCommFinalize) finalize;
  decltype(&::ncclCommDestroy) destroy;
  decltype(&::ncclCommAbort) abort;
  decltype(&::ncclCommGetAsyncError) get_async_error;
  decltype(&::ncclGetErrorString) get_error_string;
  decltype(&::ncclGetLastError) get_last_error;
  decltype(&::ncclAllReduce) all_reduce;
  decltype(&::ncclReduceScatter) reduce_scatter;
  decltype(&::ncclAllGather) all_gather;
  decltype(&::ncclBroadcast) broadcast;
};

// `library`: a name for the loader, or a path. UNIMPLEMENTED if it does not
// load or lacks a function.
absl::StatusOr<NcclApi> LoadNccl(const std::string& library);

}  // namespace autotp::collective

#endif  // AUTOTP_WORKER_COLLECTIVE_NCCL_NCCL_API_H_
