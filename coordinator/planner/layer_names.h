// layer_names.h -- names of parameters and modules without their layer.
#ifndef AUTOTP_COORDINATOR_PLANNER_LAYER_NAMES_H_
#define AUTOTP_COORDINATOR_PLANNER_LAYER_NAMES_H_

#include <string>

#include "absl/strings/string_view.h"

namespace autotp::planner {

// "model.layers.*.mlp.up_proj.weight": components that are numbers as stars.
// Texts with several names in them are fine.
std::string WithoutNumbers(absl::string_view text);

}  // namespace autotp::planner

#endif  // AUTOTP_COORDINATOR_PLANNER_LAYER_NAMES_H_
