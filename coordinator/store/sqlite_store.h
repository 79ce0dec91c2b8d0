// sqlite_store.h -- the default store: one SQLite file, coordinator.db.
//
// Write-ahead log with synchronous=FULL, so that a commit survives a power
// loss. Never on a network file system: the log needs shared memory or, as
// here, an exclusive lock that such systems do not keep.
#ifndef AUTOTP_COORDINATOR_STORE_SQLITE_STORE_H_
#define AUTOTP_COORDINATOR_STORE_SQLITE_STORE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "coordinator/store/state_store.h"

namespace autotp::store {

// Opens DIR/coordinator.db; makes the folder and the file if needed.
// `new_uid` is used if the file is new.
//   FAILED_PRECONDITION  another coordinator has it open, or another version
//                        wrote it
//   UNAVAILABLE          the folder or the file cannot be used
absl::StatusOr<std::unique_ptr<StateStore>> OpenSqliteStore(
    const std::string& directory, const std::string& new_uid);

}  // namespace autotp::store

#endif  // AUTOTP_COORDINATOR_STORE_SQLITE_STORE_H_
