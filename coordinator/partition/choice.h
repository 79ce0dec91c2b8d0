// choice.h -- which cut groups are cut, and which intervals follow.
//
// Flow: cut_groups.h, requests -> Choose -> propagate.h, describe.h.
//
// What the rules ask for comes first. Then groups are taken by benefit
// (elements of weights that are spread) over cost (numbers sent per token), as
// long as no value would be cut in two dimensions.
#ifndef AUTOTP_COORDINATOR_PARTITION_CHOICE_H_
#define AUTOTP_COORDINATOR_PARTITION_CHOICE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/partition/cut_groups.h"
#include "coordinator/partition/partition.h"
#include "coordinator/partition/reshape_cut.h"

namespace autotp::partition {

struct GroupDecision {
  enum class Verdict {
    kCut,
    kObstacle,  // the group's first obstacle
    kTooFewUnits,
    kClash,  // with group `other`
    kNoBenefit,
    kWholeByRule,  // every weight that would gain is asked to stay whole
  };
  Verdict verdict = Verdict::kNoBenefit;
  int other = -1;
  bool by_rule = false;  // cut since a rule asks for a member's cut
};

struct ParameterDecision {
  enum class Cause { kGroup, kRule, kRuleFewHeads, kNone };
  Cause cause = Cause::kNone;  // kNone: whole, since no group cuts it
  bool by_units = true;        // kRule: cut by its groups' units
  int64_t number = 0;          // kRuleFewHeads: how many there are
  DimCut cut;                  // dim -1: whole
};

struct Choice {
  std::vector<GroupDecision> groups;          // as CutGroups::groups()
  std::vector<ParameterDecision> parameters;  // as Program::parameters
  std::vector<DimCut> values;  // [value]: how its groups cut it; dim -1: not
  int64_t grain = 1;           // as asked for
};

// INVALID_ARGUMENT: a request names no parameter, no dimension of it, or an
// empty dimension.
absl::StatusOr<Choice> Choose(const program::Program& program, const Axes& axes,
                              const CutGroups& cut_groups,
                              const PartitionOptions& options);

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_CHOICE_H_
