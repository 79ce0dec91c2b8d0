// placement_rules.h -- what each operation does to the dimensions of its
// inputs, as data.
//
// Dimensions with one label are the same axis: cut alike, or whole. From that
// one table follow the axes and cut classes (axes.h), and how a cut moves
// through an operation, where it becomes a partial sum, and where it has to
// be gathered (propagate.h). Only what labels can't say has code of its own:
// reshape, the dimension of slice and concat, rows of an embedding, and the
// vocabulary of the loss.
#ifndef AUTOTP_COORDINATOR_PARTITION_PLACEMENT_RULES_H_
#define AUTOTP_COORDINATOR_PARTITION_PLACEMENT_RULES_H_

#include <cstdint>
#include <vector>

#include "coordinator/program/program.h"

namespace autotp::partition {

inline constexpr int kNoLabel = -1;

struct DimLabel {
  int label = kNoLabel;  // below 64
  // Each position of this dimension stands for so many of the label's: a key
  // head serves `repeat` query heads.
  int64_t repeat = 1;
};

struct PlacementRule {
  std::vector<std::vector<DimLabel>> inputs;  // [input][dim]
  std::vector<DimLabel> output;               // of every output of that rank
  uint64_t blocked = 0;  // labels, as bits, that must be whole
  uint64_t summed = 0;   // labels that are summed away: cut gives a partial sum
  uint64_t needed = 0;   // labels of which every rank needs a position
  int after_sum = -1;    // the input that is added once, after the sum
  bool missing = false;  // the operation is not in the table

  bool Blocked(int label) const { return blocked >> label & 1; }
  bool Needed(int label) const { return needed >> label & 1; }
  bool Summed(int label) const { return summed >> label & 1; }
};

// REQUIRES: `node` is a well-formed node of `program`. An operation that is
// not in the table has no labels: its inputs are gathered, and by themselves
// the heuristics cut nothing before or behind it.
PlacementRule RuleOf(const program::Program& program,
                     const program::Node& node);

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_PLACEMENT_RULES_H_
