// no_keys.h -- the rendezvous of groups that need none: threads of one process.
#ifndef AUTOTP_TESTS_SUPPORT_NO_KEYS_H_
#define AUTOTP_TESTS_SUPPORT_NO_KEYS_H_

#include <string>

#include "worker/collective/factory.h"

namespace autotp::testing {

class NoKeys final : public collective::KeyStore {
 public:
  absl::Status Set(const std::string&, const std::string&) override {
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> Get(const std::string& key,
                                  absl::Duration) override {
    return absl::DeadlineExceededError(key);
  }
};

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_SUPPORT_NO_KEYS_H_
