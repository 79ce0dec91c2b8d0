// aten_rules.h -- what ATen operations do to the dimensions of their inputs.
//
// The same data as placement_rules.h, by kinds of operations (aten/kinds.h):
// what works on each position alone, reductions, products, what needs one
// dimension whole. An operation of no kind needs all its inputs whole. A new
// one goes into the table of aten_rules.cc, in the row of its kind.
#ifndef AUTOTP_COORDINATOR_PARTITION_ATEN_RULES_H_
#define AUTOTP_COORDINATOR_PARTITION_ATEN_RULES_H_

#include "coordinator/partition/placement_rules.h"
#include "coordinator/program/program.h"

namespace autotp::partition {

// REQUIRES: `node` is a well-formed kAten node of `program`.
PlacementRule AtenRule(const program::Program& program,
                       const program::Node& node);

// A convolution with one channel in each group: its attribute "groups" is the
// number of channels that are here.
bool IsDepthwise(const program::Program& program, const program::Node& node);

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_ATEN_RULES_H_
