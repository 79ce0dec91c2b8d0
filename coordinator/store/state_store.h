// state_store.h -- where the coordinator's records outlive it.
//
// Flow: main opens a store and loads its rows into core; the engine commits
// what core wants written, all rows of a batch in one transaction.
//
// A store is opened by one process at a time. Opening raises the epoch and
// makes that durable first, so no two coordinators ever share an epoch. The
// cluster's uid is minted with the store and never changes.
//
// Threading: one thread at a time.
#ifndef AUTOTP_COORDINATOR_STORE_STATE_STORE_H_
#define AUTOTP_COORDINATOR_STORE_STATE_STORE_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/core/effects.h"
#include "coordinator/core/ledger.h"

namespace autotp::store {

class StateStore {
 public:
  virtual ~StateStore() = default;

  virtual const core::Identity& identity() const = 0;

  // All or nothing, in order; durable on OK. Blocks for a disk sync.
  //   UNAVAILABLE  nothing was written; the same call may be tried again
  virtual absl::Status Commit(const std::vector<core::Write>& writes) = 0;

  // Every row, by table and key.
  //   UNAVAILABLE  the store cannot be read
  virtual absl::StatusOr<std::vector<core::Row>> ReadAll() = 0;
};

}  // namespace autotp::store

#endif  // AUTOTP_COORDINATOR_STORE_STATE_STORE_H_
