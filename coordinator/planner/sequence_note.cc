#include "coordinator/planner/sequence_note.h"

#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "coordinator/partition/rank_intervals.h"
#include "coordinator/planner/activation_memory.h"
#include "coordinator/planner/collectives.h"

namespace autotp::planner {
namespace {

// "2048 = 4 x 512", "14 = 5 + 5 + 4".
std::string TokenShares(int64_t tokens, int ranks) {
  const std::vector<int64_t> shares = partition::SpreadUnits(tokens, ranks);
  return tokens % ranks == 0
             ? absl::StrCat(tokens, " = ", ranks, " x ", shares[0])
             : absl::StrCat(tokens, " = ", absl::StrJoin(shares, " + "));
}

}  // namespace

void ReportSequenceParallel(const program::Program& whole,
                            const partition::Partitioned& partitioned,
                            partition::PartitionOptions options,
                            const v1::TrainingConfig& training,
                            config::Diagnostics* diagnostics) {
  if (!options.sequence_parallel) return;
  const int ranks = options.tensor_parallel_size;
  if (ranks == 1) {
    diagnostics->Note({}, "SEQUENCE_PARALLEL_NO_EFFECT",
                      "sequence parallelism cuts activations over the ranks of "
                      "a tensor-parallel group, and autotp_size is 1",
                      "set autotp_size to 2 or more, or leave it out");
    return;
  }
  options.sequence_parallel = false;
  options.fullest_only = true;
  const auto without = partition::Partition(whole, options);
  if (!without.ok()) return;
  const int64_t bytes = ComputeBytes(training);
  const int64_t tokens = whole.values[whole.inputs[0]].shape[1];
  diagnostics->Note(
      {}, "SEQUENCE_PARALLEL",
      absl::StrCat("activations between blocks are cut by tokens, ",
                   TokenShares(tokens, ranks), "; at the peak ",
                   PeakActivationBytes(partitioned.locals[0], bytes),
                   " bytes of activations per rank instead of ",
                   PeakActivationBytes(without->locals[0], bytes)),
      tokens % ranks == 0
          ? ""
          : absl::StrCat("a sequence length that ", ranks,
                         " divides spreads them evenly and travels unpadded"));
}

}  // namespace autotp::planner
