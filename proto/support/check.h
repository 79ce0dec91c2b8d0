// check.h -- AUTOTP_CHECK: ends the process on a bug of ours, in every build.
//
// Never on input, peers, disks or devices: those are absl::Status.
#ifndef AUTOTP_PROTO_SUPPORT_CHECK_H_
#define AUTOTP_PROTO_SUPPORT_CHECK_H_

#include <string>

#include "absl/strings/str_cat.h"

namespace autotp::internal {
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition,
                              const std::string& detail);
}  // namespace autotp::internal

// AUTOTP_CHECK(rank < world_size, "rank ", rank, " of ", world_size);
#define AUTOTP_CHECK(condition, ...)                    \
  do {                                                  \
    if (!(condition)) [[unlikely]]                      \
      ::autotp::internal::CheckFailed(                  \
          __FILE__, __LINE__, #condition,               \
          absl::StrCat("" __VA_OPT__(, ) __VA_ARGS__)); \
  } while (false)

#endif  // AUTOTP_PROTO_SUPPORT_CHECK_H_
