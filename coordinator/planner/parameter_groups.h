// parameter_groups.h -- which parameters the optimizer treats differently.
//
// Flow: planner.cc, before the program is cut -> Parameter.undecayed and
// Parameter.orthogonalized in every local program. Pure.
#ifndef AUTOTP_COORDINATOR_PLANNER_PARAMETER_GROUPS_H_
#define AUTOTP_COORDINATOR_PLANNER_PARAMETER_GROUPS_H_

#include <string>

#include "autotp/v1/training.pb.h"
#include "coordinator/config/diagnostics.h"
#include "coordinator/program/program.h"
#include "google/protobuf/repeated_ptr_field.h"

namespace autotp::planner {

// Marks what a pattern matches, by name or alias. Says of a pattern that it is
// malformed (an error) or matches nothing (a warning).
void MarkUndecayed(
    const google::protobuf::RepeatedPtrField<std::string>& patterns,
    program::Program* program, config::Diagnostics* diagnostics);

// Marks what Muon orthogonalises, by DeepSpeed's rule: two or more dimensions,
// and neither "embed" nor "lm_head" in the name.
void MarkOrthogonalized(const v1::OptimizerConfig& optimizer,
                        program::Program* program);

}  // namespace autotp::planner

#endif  // AUTOTP_COORDINATOR_PLANNER_PARAMETER_GROUPS_H_
