// presets.h -- the rule sets that `preset_model` names.
//
// The seven of DeepSpeed, by what they mean rather than by their letter: blocks
// of fused weights come from the program, and what DeepSpeed's deepseek_v2
// forgets (dense layers, q_proj) is there. Rules know where they differ from
// DeepSpeed's, so that the plan can say it (rule.h: deepspeed_blocks,
// differs).
#ifndef AUTOTP_COORDINATOR_PLAN_PRESETS_H_
#define AUTOTP_COORDINATOR_PLAN_PRESETS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "coordinator/plan/rule.h"

namespace autotp::plan {

// Sorted.
std::vector<absl::string_view> PresetNames();

// The case of `name` does not matter; nullopt: no such preset.
std::optional<std::vector<Rule>> PresetRules(absl::string_view name);

}  // namespace autotp::plan

#endif  // AUTOTP_COORDINATOR_PLAN_PRESETS_H_
