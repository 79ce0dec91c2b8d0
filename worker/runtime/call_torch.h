// call_torch.h -- the fence at which LibTorch's exceptions become statuses.
#ifndef AUTOTP_WORKER_RUNTIME_CALL_TORCH_H_
#define AUTOTP_WORKER_RUNTIME_CALL_TORCH_H_

#include <exception>
#include <new>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace autotp::runtime {

// Runs f, which returns an absl::Status or StatusOr. An exception becomes
// RESOURCE_EXHAUSTED if memory ran out, else INTERNAL with its first line.
template <typename F>
auto CallTorch(F&& f) -> decltype(f()) {
  try {
    return f();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("out of memory");
  } catch (const std::exception& error) {
    const absl::string_view what = error.what();
    const absl::string_view line = what.substr(0, what.find('\n'));
    if (absl::StrContains(what, "not enough memory") ||
        absl::StrContains(what, "allocate memory") ||
        absl::StrContains(what, "out of memory")) {
      return absl::ResourceExhaustedError(line);
    }
    return absl::InternalError(absl::StrCat("tensor library: ", line));
  }
}

}  // namespace autotp::runtime

#endif  // AUTOTP_WORKER_RUNTIME_CALL_TORCH_H_
