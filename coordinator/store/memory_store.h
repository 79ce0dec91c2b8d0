// memory_store.h -- a store for tests: a disk that is a map.
#ifndef AUTOTP_COORDINATOR_STORE_MEMORY_STORE_H_
#define AUTOTP_COORDINATOR_STORE_MEMORY_STORE_H_

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "coordinator/store/state_store.h"

namespace autotp::store {

// What outlives the stores opened on it, one after the other.
struct MemoryDisk {
  std::string cluster_uid;
  int64_t epoch = 0;
  bool open = false;
  bool broken = false;  // commits and reads fail while it is set
  std::map<std::pair<core::Table, std::string>, std::string> rows;
};

// `new_uid` is used if the disk is new.
//   FAILED_PRECONDITION  the disk is open already
absl::StatusOr<std::unique_ptr<StateStore>> OpenMemoryStore(
    std::shared_ptr<MemoryDisk> disk, const std::string& new_uid);

}  // namespace autotp::store

#endif  // AUTOTP_COORDINATOR_STORE_MEMORY_STORE_H_
