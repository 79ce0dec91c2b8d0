// effective_view.h -- the effective configuration, every default filled in,
// with where each value comes from. Pure.
#ifndef AUTOTP_CLIENT_CLI_EFFECTIVE_VIEW_H_
#define AUTOTP_CLIENT_CLI_EFFECTIVE_VIEW_H_

#include <string>

#include "absl/strings/string_view.h"
#include "autotp/v1/job_service.pb.h"
#include "nlohmann/json.hpp"

namespace autotp::cli {

// A DeepSpeed JSON with a comment on every line: "ds.json:5", "default",
// "from ...", "auto: ...". `file`: the config's name.
std::string EffectiveText(const v1::ValidateJobResponse& response,
                          absl::string_view file);

// [{"json_pointer": ..., "value": ..., "origin": ..., "line": ...,
// "detail": ...}]
nlohmann::ordered_json EffectiveJson(const v1::ValidateJobResponse& response);

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_EFFECTIVE_VIEW_H_
