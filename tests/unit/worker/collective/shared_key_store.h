// shared_key_store.h -- a rendezvous for ranks that are threads or processes.
#ifndef AUTOTP_TESTS_UNIT_WORKER_COLLECTIVE_SHARED_KEY_STORE_H_
#define AUTOTP_TESTS_UNIT_WORKER_COLLECTIVE_SHARED_KEY_STORE_H_

#include <string>

#include "worker/collective/factory.h"

namespace autotp::collective {

// Lives in memory that children forked later share. Thread-safe.
class SharedKeyStore final : public KeyStore {
 public:
  SharedKeyStore();
  ~SharedKeyStore() override;

  absl::Status Set(const std::string& key, const std::string& value) override;
  absl::StatusOr<std::string> Get(const std::string& key,
                                  absl::Duration timeout) override;

 private:
  struct Table;
  Table* table_;
};

}  // namespace autotp::collective

#endif  // AUTOTP_TESTS_UNIT_WORKER_COLLECTIVE_SHARED_KEY_STORE_H_
