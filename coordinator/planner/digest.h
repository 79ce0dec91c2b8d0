// digest.h -- a short name for a plan: same inputs, same digest.
#ifndef AUTOTP_COORDINATOR_PLANNER_DIGEST_H_
#define AUTOTP_COORDINATOR_PLANNER_DIGEST_H_

#include <string>

#include "autotp/v1/planned_job.pb.h"

namespace autotp::planner {

// XXH3-128, hexadecimal, over the local programs and the layout of ranks.
// Where the weights lie on disk does not count, so that a model may move: the
// sources of the parameters are set aside meanwhile, and put back.
std::string PlanDigest(v1::PlannedJob* planned);

}  // namespace autotp::planner

#endif  // AUTOTP_COORDINATOR_PLANNER_DIGEST_H_
