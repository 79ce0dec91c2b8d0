// collective_shapes.h -- shape rules of what cuts a value over the ranks or
// puts it together: all_gather, reduce_scatter, take. Flow: shape_rules.h ->
// here.
#ifndef AUTOTP_COORDINATOR_PROGRAM_COLLECTIVE_SHAPES_H_
#define AUTOTP_COORDINATOR_PROGRAM_COLLECTIVE_SHAPES_H_

#include "coordinator/program/shape_checks.h"

namespace autotp::program {

// REQUIRES: the node has passed CheckSignature.
ShapeOutputs AllGatherShapes(const Node& node, Inputs in);
ShapeOutputs ReduceScatterShapes(const Node& node, Inputs in);
ShapeOutputs TakeShapes(const Node& node, Inputs in);

}  // namespace autotp::program

#endif  // AUTOTP_COORDINATOR_PROGRAM_COLLECTIVE_SHAPES_H_
