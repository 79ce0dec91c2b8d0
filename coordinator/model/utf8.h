// utf8.h -- texts that may enter a protobuf string.
//
// File names and damaged files hold any bytes; messages must not.
#ifndef AUTOTP_COORDINATOR_MODEL_UTF8_H_
#define AUTOTP_COORDINATOR_MODEL_UTF8_H_

#include <string>

#include "absl/strings/string_view.h"

namespace autotp::model {

bool IsUtf8(absl::string_view text);

// Each byte that does not belong to a character becomes '?'.
std::string ToUtf8(absl::string_view text);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_UTF8_H_
