// label_choice.h -- along which of its labels an operation runs cut.
//
// Flow: placement_rules.h, spread_values.h -> propagate.h.
#ifndef AUTOTP_COORDINATOR_PARTITION_LABEL_CHOICE_H_
#define AUTOTP_COORDINATOR_PARTITION_LABEL_CHOICE_H_

#include <optional>

#include "coordinator/partition/placement_rules.h"
#include "coordinator/partition/reshape_cut.h"
#include "coordinator/partition/spread_values.h"

namespace autotp::partition {

// A label to run an operation along, with the intervals in its positions.
struct LabelCut {
  int label = kNoLabel;
  Ranks ranks;
};

// Of the labels along which an input is cut, the one with which the fewest
// numbers have to be sent; absent where none can be used.
std::optional<LabelCut> CheapestLabel(const program::Program& program,
                                      const SpreadValues& values,
                                      const program::Node& node,
                                      const PlacementRule& rule);

// With no input cut: the label along which the result is meant to be.
// `planned`: how its groups cut the result.
std::optional<LabelCut> PlannedLabel(const SpreadValues& values,
                                     const program::Node& node,
                                     const PlacementRule& rule,
                                     const DimCut& planned);

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_LABEL_CHOICE_H_
