#include "coordinator/planner/parameter_groups.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "coordinator/plan/pattern.h"

namespace autotp::planner {

using program::Parameter;
using program::Program;

void MarkUndecayed(
    const google::protobuf::RepeatedPtrField<std::string>& patterns,
    Program* program, config::Diagnostics* diagnostics) {
  for (const std::string& text : patterns) {
    const absl::StatusOr<plan::Pattern> pattern = plan::Pattern::Compile(text);
    if (!pattern.ok()) {
      diagnostics->Error(
          {}, "UNDECAYED_PATTERN_INVALID",
          absl::StrCat("\"", text, "\", which names parameters without decay, ",
                       "is no pattern: ", pattern.status().message()),
          "write it as for Python's re.match");
      continue;
    }
    bool found = false;
    for (Parameter& parameter : program->parameters) {
      const bool matches =
          pattern->Matches(parameter.name) ||
          std::any_of(parameter.aliases.begin(), parameter.aliases.end(),
                      [&](const std::string& alias) {
                        return pattern->Matches(alias);
                      });
      if (!matches) continue;
      parameter.undecayed = true;
      found = true;
    }
    if (found) continue;
    diagnostics->Warning(
        {}, "UNDECAYED_MATCHES_NOTHING",
        absl::StrCat("no parameter's name begins with a match of \"", text,
                     "\", which is to have no weight decay"),
        absl::StrCat("names are like ",
                     program->parameters.empty()
                         ? "model.norm.weight"
                         : program->parameters.back().name,
                     "; begin with \".*\" to match further in"));
  }
}

void MarkOrthogonalized(const v1::OptimizerConfig& optimizer,
                        Program* program) {
  if (optimizer.kind() != v1::OptimizerConfig::KIND_MUON) return;
  for (Parameter& parameter : program->parameters) {
    const std::string name = absl::AsciiStrToLower(parameter.name);
    parameter.orthogonalized = !parameter.frozen &&
                               parameter.shape.size() >= 2 &&
                               !absl::StrContains(name, "embed") &&
                               !absl::StrContains(name, "lm_head");
  }
}

}  // namespace autotp::planner
