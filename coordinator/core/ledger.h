// ledger.h -- state to durable rows, and back after a restart.
//
// Flow: decisions call Save*() as they change something durable; the engine
// commits the rows before anybody hears of the change. LoadState() reads them
// all when the coordinator starts.
#ifndef AUTOTP_COORDINATOR_CORE_LEDGER_H_
#define AUTOTP_COORDINATOR_CORE_LEDGER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "coordinator/core/effects.h"
#include "coordinator/core/state.h"

namespace autotp::core {

// Marks the job as changed now and writes its record.
void SaveJob(Job& job, absl::Time now, Effects& effects);
void SavePlan(const Job& job, Effects& effects);
void SaveCheckpoint(const v1::CheckpointRecord& record, Effects& effects);
void EraseCheckpoint(const v1::CheckpointRecord& record, Effects& effects);
// One durable line of the job's history, also logged.
void AddEvent(State& state, Job& job, std::string message, absl::Time now,
              Effects& effects);

// Who this coordinator is; from the store.
struct Identity {
  std::string cluster_uid;
  int64_t epoch = 0;
};

// Workers that held ranks are expected back within the adopt window.
//   DATA_LOSS  a row cannot be read; nothing is guessed
absl::StatusOr<State> LoadState(const Identity& identity, const Policy& policy,
                                const std::vector<Row>& rows, absl::Time now);

}  // namespace autotp::core

#endif  // AUTOTP_COORDINATOR_CORE_LEDGER_H_
