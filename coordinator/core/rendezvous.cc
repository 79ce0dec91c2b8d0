#include "coordinator/core/rendezvous.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace autotp::core {

absl::Status SetKey(Change change, Job& job, const std::string& key,
                    const std::string& value) {
  const Policy& policy = change.state.policy;
  if (key.empty()) return absl::InvalidArgumentError("key: empty");
  if (value.size() > policy.key_value_bytes_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat("key ", key, ": ", value.size(), " bytes; at most ",
                     policy.key_value_bytes_max));
  }
  const auto found = job.keys.find(key);
  if (found != job.keys.end()) {
    if (found->second == value) return absl::OkStatus();
    return absl::AlreadyExistsError(
        absl::StrCat("key ", key, " of ", job.name(), " holds other bytes"));
  }
  if (job.keys.size() >= policy.keys_max) {
    return absl::ResourceExhaustedError(absl::StrCat(
        job.name(), " has ", policy.keys_max, " keys; no more are allowed"));
  }
  job.keys.emplace(key, value);
  change.effects.keys.insert(job.name());
  return absl::OkStatus();
}

}  // namespace autotp::core
