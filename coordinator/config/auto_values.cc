#include "coordinator/config/auto_values.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace autotp::config {

const std::vector<AutoEntry>& AutoTable() {
  static const std::vector<AutoEntry>* const table = new std::vector<AutoEntry>{
      {"", "train_batch_size", true, "the other batch sizes"},
      {"", "train_micro_batch_size_per_gpu", true, "the other batch sizes"},
      {"", "gradient_accumulation_steps", true, "the other batch sizes"},
      {"optimizer.params", "lr", false,
       "is the learning_rate argument of a script; write the rate"},
      {"scheduler.params", "warmup_max_lr", true, "the optimizer's lr"},
      {"scheduler.params", "total_num_steps", true, "the job's max_steps"},
      {"scheduler.params", "warmup_num_steps", false,
       "is the warmup_steps argument of a script; write the number of steps"},
      {"tensor_parallel", "autotp_size", false,
       "follows from nothing: write how many ranks share one copy of the "
       "model"},
  };
  return *table;
}

const AutoEntry* FindAuto(absl::string_view section, absl::string_view key) {
  for (const AutoEntry& entry : AutoTable()) {
    if (entry.key != key) continue;
    if (entry.section == section) return &entry;
    if (!entry.section.empty() &&
        absl::StartsWith(section, absl::StrCat(entry.section, "."))) {
      return &entry;
    }
  }
  return nullptr;
}

}  // namespace autotp::config
