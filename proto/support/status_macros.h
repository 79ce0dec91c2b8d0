// status_macros.h -- the two macros that pass errors up.
#ifndef AUTOTP_PROTO_SUPPORT_STATUS_MACROS_H_
#define AUTOTP_PROTO_SUPPORT_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#define AUTOTP_CONCAT_INNER(a, b) a##b
#define AUTOTP_CONCAT(a, b) AUTOTP_CONCAT_INNER(a, b)

// Returns from the enclosing function if `expr`, an absl::Status, is an error.
#define AUTOTP_RETURN_IF_ERROR(expr)                              \
  do {                                                            \
    if (absl::Status autotp_status = (expr); !autotp_status.ok()) \
      return autotp_status;                                       \
  } while (false)

// Returns the error of `expr`, an absl::StatusOr, or moves its value to `lhs`.
#define AUTOTP_ASSIGN_OR_RETURN(lhs, expr) \
  AUTOTP_ASSIGN_OR_RETURN_IMPL(AUTOTP_CONCAT(autotp_or_, __LINE__), lhs, expr)
#define AUTOTP_ASSIGN_OR_RETURN_IMPL(result, lhs, expr) \
  auto result = (expr);                                 \
  if (!result.ok()) return std::move(result).status();  \
  lhs = *std::move(result)

namespace autotp {

// The same code and payloads, with "context: " before the message. OK stays.
inline absl::Status Annotate(const absl::Status& status,
                             absl::string_view context) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(),
                         absl::StrCat(context, ": ", status.message()));
  status.ForEachPayload(
      [&annotated](absl::string_view url, const absl::Cord& payload) {
        annotated.SetPayload(url, payload);
      });
  return annotated;
}

}  // namespace autotp

#endif  // AUTOTP_PROTO_SUPPORT_STATUS_MACROS_H_
