#include "coordinator/partition/partition.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "coordinator/partition/axes.h"
#include "coordinator/partition/choice.h"
#include "coordinator/partition/cut_groups.h"
#include "coordinator/partition/describe.h"
#include "coordinator/partition/gradient_modes.h"
#include "coordinator/partition/lower.h"
#include "coordinator/partition/propagate.h"
#include "coordinator/partition/recompute.h"
#include "coordinator/partition/sequence_parallel.h"
#include "proto/support/status_macros.h"

namespace autotp::partition {

using program::Program;

namespace {

Partitioned ForOneRank(const Program& program,
                       v1::Recomputation recomputation) {
  Partitioned result;
  for (const program::Parameter& parameter : program.parameters) {
    ParameterCut whole;
    whole.reason = "one tensor-parallel rank";
    result.parameters.emplace(parameter.name, std::move(whole));
  }
  result.locals.push_back(program);
  AssignRecomputation(recomputation, &result.locals[0]);
  return result;
}

}  // namespace

absl::StatusOr<Partitioned> Partition(const Program& program,
                                      const PartitionOptions& options) {
  const int ranks = options.tensor_parallel_size;
  if (ranks < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor parallel size is ", ranks, ": it has to be at least 1"));
  }
  const Axes axes = FindAxes(program, ranks);
  const CutGroups cut_groups(program, axes);
  AUTOTP_ASSIGN_OR_RETURN(const Choice choice,
                          Choose(program, axes, cut_groups, options));
  if (ranks == 1) return ForOneRank(program, options.recomputation);
  SpmdProgram spmd = Propagate(program, axes, choice, ranks);
  if (options.sequence_parallel) CutTokens(program, axes, &spmd);
  PlaceCopies(&spmd);
  Partitioned result;
  Describe(program, axes, cut_groups, choice, spmd, &result);
  result.tensor_parallel_size = ranks;
  const int lowered = options.lowered_ranks > 0
                          ? std::min(options.lowered_ranks, ranks)
                          : ranks;
  result.locals.reserve(lowered);
  for (int rank = 0; rank < lowered; ++rank) {
    result.locals.push_back(LowerForRank(program, spmd, rank));
    AssignRecomputation(options.recomputation, &result.locals.back());
  }
  return result;
}

}  // namespace autotp::partition
