// combination_checks.h -- keys that are right alone and wrong together.
//
// These are the assertions that DeepSpeed makes when it starts, as
// diagnostics: a file that passes here passes there.
#ifndef AUTOTP_COORDINATOR_CONFIG_COMBINATION_CHECKS_H_
#define AUTOTP_COORDINATOR_CONFIG_COMBINATION_CHECKS_H_

#include "coordinator/config/diagnostics.h"
#include "coordinator/config/json_document.h"

namespace autotp::config {

// Values of the wrong type are taken as absent: they were reported before.
void CheckCombinations(const JsonDocument& document, int zero_stage,
                       Diagnostics* diagnostics);

}  // namespace autotp::config

#endif  // AUTOTP_COORDINATOR_CONFIG_COMBINATION_CHECKS_H_
