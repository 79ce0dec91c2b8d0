// position_shapes.h -- shape rules of what tells tokens where they stand:
// rotary_table, rotary, alibi_table. Flow: shape_rules.h -> here.
#ifndef AUTOTP_COORDINATOR_PROGRAM_POSITION_SHAPES_H_
#define AUTOTP_COORDINATOR_PROGRAM_POSITION_SHAPES_H_

#include "coordinator/program/shape_checks.h"

namespace autotp::program {

// REQUIRES: the node has passed CheckSignature.
ShapeOutputs RotaryTableShapes(const Node& node);
ShapeOutputs RotaryShapes(Inputs in);
ShapeOutputs AlibiTableShapes(const Node& node);

}  // namespace autotp::program

#endif  // AUTOTP_COORDINATOR_PROGRAM_POSITION_SHAPES_H_
