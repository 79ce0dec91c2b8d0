// weight_role.h -- what a program's parameters are for.
#ifndef AUTOTP_COORDINATOR_PLAN_WEIGHT_ROLE_H_
#define AUTOTP_COORDINATOR_PLAN_WEIGHT_ROLE_H_

#include <vector>

#include "coordinator/program/program.h"

namespace autotp::plan {

struct WeightRole {
  bool is_linear = false;      // weight [out, in], or
  bool is_transposed = false;  // [in, out]
  bool is_embedding = false;   // table [rows, width]
  bool is_head = false;        // a linear whose output is the logits
  bool is_vector = false;      // neither: norms and the like
  int weight_of_bias = -1;     // index of the weight that this bias follows
};

// By index into program.parameters.
std::vector<WeightRole> WeightRoles(const program::Program& program);

}  // namespace autotp::plan

#endif  // AUTOTP_COORDINATOR_PLAN_WEIGHT_ROLE_H_
