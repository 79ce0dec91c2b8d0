// plan_explain.h -- `autotp plan --explain NAME`: all that a plan says about
// one parameter. Pure.
#ifndef AUTOTP_CLIENT_CLI_PLAN_EXPLAIN_H_
#define AUTOTP_CLIENT_CLI_PLAN_EXPLAIN_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "autotp/v1/plan.pb.h"
#include "client/cli/text_style.h"
#include "nlohmann/json.hpp"

namespace autotp::cli {

struct Explanation {
  const v1::ParameterPlan* parameter = nullptr;  // of the plan
  struct Class {
    int dim = 0;  // of the parameter
    const v1::CutClass* cut = nullptr;
  };
  std::vector<Class> classes;  // by dimension
  // Weights that are cut with it, or would be: of the dimension that is cut,
  // else of the smallest class.
  std::vector<std::string> neighbours;
  struct Collective {
    const v1::CollectivePlan* use = nullptr;
    const v1::CollectiveSite* site = nullptr;
  };
  std::vector<Collective> collectives;  // it takes part in, layers aside
  struct Trial {
    const v1::RulePlan* rule = nullptr;
    const v1::RuleTrial* trial = nullptr;
  };
  std::vector<Trial> trials;  // of every rule, in order; a bias's weight's
};

// `name`: a parameter's name or alias, or the end of one that no other
// parameter ends with. INVALID_ARGUMENT naming those that are near.
absl::StatusOr<Explanation> Explain(const v1::Plan& plan,
                                    absl::string_view name);

std::string ExplanationText(const Explanation& explanation,
                            const TextStyle& style);
nlohmann::ordered_json ExplanationJson(const Explanation& explanation);

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_PLAN_EXPLAIN_H_
