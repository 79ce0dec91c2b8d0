// sequence_note.h -- what sequence parallelism brings, said with the plan.
#ifndef AUTOTP_COORDINATOR_PLANNER_SEQUENCE_NOTE_H_
#define AUTOTP_COORDINATOR_PLANNER_SEQUENCE_NOTE_H_

#include "autotp/v1/training.pb.h"
#include "coordinator/config/diagnostics.h"
#include "coordinator/partition/partition.h"
#include "coordinator/program/program.h"

namespace autotp::planner {

// Notes: SEQUENCE_PARALLEL, with the tokens of each rank and the activations
// with and without it; SEQUENCE_PARALLEL_NO_EFFECT on one rank. `options` are
// those of `partitioned`.
void ReportSequenceParallel(const program::Program& whole,
                            const partition::Partitioned& partitioned,
                            partition::PartitionOptions options,
                            const v1::TrainingConfig& training,
                            config::Diagnostics* diagnostics);

}  // namespace autotp::planner

#endif  // AUTOTP_COORDINATOR_PLANNER_SEQUENCE_NOTE_H_
