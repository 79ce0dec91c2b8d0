// plan_view.h -- the answer of ValidateJob, for scripts and for people. Pure.
#ifndef AUTOTP_CLIENT_CLI_PLAN_VIEW_H_
#define AUTOTP_CLIENT_CLI_PLAN_VIEW_H_

#include <string>

#include "autotp/v1/job_service.pb.h"
#include "client/cli/text_style.h"
#include "nlohmann/json.hpp"

namespace autotp::cli {

// `autotp plan --output json`; its keys are a promise to scripts.
nlohmann::ordered_json PlanJson(const v1::ValidateJobResponse& response);

// Batch arithmetic, cut classes, parameters (identical layers once) with the
// reasons of their cuts, collectives and the estimate, as tables.
std::string PlanText(const v1::ValidateJobResponse& response,
                     const TextStyle& style);

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_PLAN_VIEW_H_
