#include "proto/support/check.h"

#include <cstdio>
#include <cstdlib>

namespace autotp::internal {

void CheckFailed(const char* file, int line, const char* condition,
                 const std::string& detail) {
  std::fprintf(stderr, "%s:%d: check failed: %s %s\n", file, line, condition,
               detail.c_str());
  std::abort();
}

}  // namespace autotp::internal
