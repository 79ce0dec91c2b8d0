// attempt_key.h -- which try at which job, and which forming of its groups.
#ifndef AUTOTP_WORKER_AGENT_ATTEMPT_KEY_H_
#define AUTOTP_WORKER_AGENT_ATTEMPT_KEY_H_

#include <compare>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"

namespace autotp::agent {

struct AttemptKey {
  std::string job;
  int32_t attempt = 0;
  int64_t group_epoch = 0;

  auto operator<=>(const AttemptKey&) const = default;
};

// The key of a TrainerTask, or of any message with these three fields.
template <typename Message>
AttemptKey KeyOf(const Message& message) {
  return {message.job(), message.attempt(), message.group_epoch()};
}

inline std::string Describe(const AttemptKey& key) {
  return absl::StrCat(key.job, " attempt ", key.attempt, " epoch ",
                      key.group_epoch);
}

}  // namespace autotp::agent

#endif  // AUTOTP_WORKER_AGENT_ATTEMPT_KEY_H_
