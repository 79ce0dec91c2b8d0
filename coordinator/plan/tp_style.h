// tp_style.h -- the styles of Hugging Face's tensor-parallel plans.
//
// Three generations of the library, and the branches between them, gave one
// thing several names. A style says where a weight is cut and which
// collectives follow; only the first matters here, since the partitioner
// decides the collectives.
#ifndef AUTOTP_COORDINATOR_PLAN_TP_STYLE_H_
#define AUTOTP_COORDINATOR_PLAN_TP_STYLE_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "coordinator/plan/rule.h"

namespace autotp::plan {

struct TpStyle {
  enum class Use {
    kRule,        // places a weight
    kCollective,  // a module's communication: the partitioner's to decide
    kRefused,
  };
  absl::string_view name;
  Use use = Use::kRule;
  Action action = Action::kWhole;
  absl::string_view why;      // kRefused: completes "STYLE ..."
  absl::string_view way_out;  // kRefused: what to do instead
};

const std::vector<TpStyle>& TpStyles();

// The case of `name` does not matter; nullptr: no such style.
const TpStyle* FindTpStyle(absl::string_view name);

}  // namespace autotp::plan

#endif  // AUTOTP_COORDINATOR_PLAN_TP_STYLE_H_
