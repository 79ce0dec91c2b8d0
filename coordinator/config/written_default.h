// written_default.h -- whether a value that is written says anything: whether
// it switches something on, and whether it differs from DeepSpeed's default.
#ifndef AUTOTP_COORDINATOR_CONFIG_WRITTEN_DEFAULT_H_
#define AUTOTP_COORDINATOR_CONFIG_WRITTEN_DEFAULT_H_

#include "absl/strings/string_view.h"
#include "coordinator/config/json_document.h"
#include "coordinator/config/key_table.h"

namespace autotp::config {

// Whether a value switches on the thing that its key names. A section is on
// if it says so, an offload section if it names a device.
bool IsEnabled(const JsonNode& value);

// Whether the section has a switch `enabled`, and it is off.
bool IsSwitchedOff(absl::string_view section, const JsonNode& object);

// Whether leaving the key out would mean the same to DeepSpeed: the value is
// the default, or an object that is switched off or holds only defaults.
bool SaysNothing(const JsonDocument& document, const KeyEntry& entry,
                 const JsonNode& value);

}  // namespace autotp::config

#endif  // AUTOTP_COORDINATOR_CONFIG_WRITTEN_DEFAULT_H_
