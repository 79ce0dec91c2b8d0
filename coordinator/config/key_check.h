// key_check.h -- the walk over a document's keys along the key table.
//
// Flow: ReadConfig() -> CheckKeys() before the sections are read. Reports
// UNKNOWN_KEY, KEY_REFUSED, WRONG_TYPE, OUT_OF_RANGE, UNKNOWN_VALUE and
// AUTO_NOT_DERIVABLE (errors), KEY_WITHOUT_EFFECT and AUTO_IS_DEFAULT (notes).
//
// A key without effect that is written with DeepSpeed's own default says
// nothing, and gets no note; nor does what a section that is switched off
// says beyond that.
#ifndef AUTOTP_COORDINATOR_CONFIG_KEY_CHECK_H_
#define AUTOTP_COORDINATOR_CONFIG_KEY_CHECK_H_

#include "coordinator/config/diagnostics.h"
#include "coordinator/config/json_document.h"
#include "coordinator/config/key_table.h"
#include "coordinator/config/section_reader.h"

namespace autotp::config {

void CheckKeys(const JsonDocument& document, Diagnostics* diagnostics);

// The row of the section's `type`, if that is a type that is honoured. Else
// null, after reporting what is known instead as `reason`. `name` is
// "optimizer" or "scheduler".
const KeyEntry* ReadType(const SectionReader& section, absl::string_view name,
                         absl::string_view reason);

}  // namespace autotp::config

#endif  // AUTOTP_COORDINATOR_CONFIG_KEY_CHECK_H_
