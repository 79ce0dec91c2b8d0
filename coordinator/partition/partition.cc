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
#include "coordinator/partition/spmd_program.h"
#include "coordinator/program/shape_rules.h"
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
  result.recomputation = recomputation;
  result.locals.push_back(LocalProgram(program, result, 0));
  return result;
}

// The first of those that hold the most numbers.
int FullestRank(const SpmdProgram& spmd) {
  std::vector<int64_t> numbers(spmd.ranks, 0);
  for (const SpmdValue& value : spmd.values) {
    if (value.spread != Spread::kCut) continue;
    std::vector<int64_t> shape = value.shape;
    shape[value.dim] = 1;
    const int64_t row = program::ElementCount(shape);
    for (int rank = 0; rank < spmd.ranks; ++rank)
      numbers[rank] += row * value.LocalLength(rank);
  }
  return static_cast<int>(std::max_element(numbers.begin(), numbers.end()) -
                          numbers.begin());
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
  result.recomputation = options.recomputation;
  result.spmd = std::make_shared<const SpmdProgram>(std::move(spmd));
  if (options.fullest_only) {
    result.locals.push_back(
        LocalProgram(program, result, FullestRank(*result.spmd)));
    return result;
  }
  result.locals.reserve(ranks);
  for (int rank = 0; rank < ranks; ++rank)
    result.locals.push_back(LocalProgram(program, result, rank));
  return result;
}

// Whatever is done to a local program belongs here: Partition() and planners
// both get theirs from it.
Program LocalProgram(const Program& program, const Partitioned& partitioned,
                     int rank) {
  Program local = partitioned.spmd == nullptr
                      ? program
                      : LowerForRank(program, *partitioned.spmd, rank);
  AssignRecomputation(partitioned.recomputation, &local);
  return local;
}

}  // namespace autotp::partition
