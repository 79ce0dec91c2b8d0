// mixture_shapes.h -- shape rules of mixtures of experts: router, experts,
// router_loss. Flow: shape_rules.h -> here.
#ifndef AUTOTP_COORDINATOR_PROGRAM_MIXTURE_SHAPES_H_
#define AUTOTP_COORDINATOR_PROGRAM_MIXTURE_SHAPES_H_

#include "coordinator/program/shape_checks.h"

namespace autotp::program {

// REQUIRES: the node has passed CheckSignature.
ShapeOutputs RouterShapes(const Node& node, Inputs in);
ShapeOutputs ExpertsShapes(const Node& node, Inputs in);
ShapeOutputs RouterLossShapes(const Node& node, Inputs in);

}  // namespace autotp::program

#endif  // AUTOTP_COORDINATOR_PROGRAM_MIXTURE_SHAPES_H_
