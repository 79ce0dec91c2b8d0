#include "coordinator/planner/layer_names.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace autotp::planner {

std::string WithoutNumbers(absl::string_view text) {
  std::vector<absl::string_view> parts = absl::StrSplit(text, '.');
  for (absl::string_view& part : parts) {
    if (!part.empty() &&
        std::all_of(part.begin(), part.end(), absl::ascii_isdigit)) {
      part = "*";
    }
  }
  return absl::StrJoin(parts, ".");
}

}  // namespace autotp::planner
