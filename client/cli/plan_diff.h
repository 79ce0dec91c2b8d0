// plan_diff.h -- `autotp plan --diff OTHER.json`: what two plans disagree on.
// Pure.
//
// Both are documents of PlanJson: what `--output json` prints.
#ifndef AUTOTP_CLIENT_CLI_PLAN_DIFF_H_
#define AUTOTP_CLIENT_CLI_PLAN_DIFF_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/text_style.h"
#include "nlohmann/json.hpp"

namespace autotp::cli {

struct Difference {
  std::string area;  // "layout", "class", "parameter", "collective", "memory"
  std::string name;
  std::string before;  // in the other plan; "absent"
  std::string after;   // in this one
};

// INVALID_ARGUMENT: `before` is not what PlanJson makes of a valid job.
absl::StatusOr<std::vector<Difference>> Differences(
    const nlohmann::ordered_json& before, const nlohmann::ordered_json& after);

std::string DifferencesText(const std::vector<Difference>& differences,
                            const TextStyle& style);
nlohmann::ordered_json DifferencesJson(
    const std::vector<Difference>& differences);

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_PLAN_DIFF_H_
