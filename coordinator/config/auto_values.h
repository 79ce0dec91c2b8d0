// auto_values.h -- what "auto" means for the keys where it is not simply the
// default.
//
// Hugging Face's trainer replaces "auto" by its own arguments before DeepSpeed
// sees the file; here nobody does. Where the value follows from the rest of
// the job, the key's reader derives it and says so; where it does not, "auto"
// is refused; elsewhere it is the default, with a note.
#ifndef AUTOTP_COORDINATOR_CONFIG_AUTO_VALUES_H_
#define AUTOTP_COORDINATOR_CONFIG_AUTO_VALUES_H_

#include <vector>

#include "absl/strings/string_view.h"

namespace autotp::config {

struct AutoEntry {
  absl::string_view section;  // "optimizer.params" stands for all types
  absl::string_view key;
  bool derived = false;    // else refused
  absl::string_view text;  // derived: from what; refused: why, and what to do
};

const std::vector<AutoEntry>& AutoTable();

// Null where "auto" is the default.
const AutoEntry* FindAuto(absl::string_view section, absl::string_view key);

}  // namespace autotp::config

#endif  // AUTOTP_COORDINATOR_CONFIG_AUTO_VALUES_H_
