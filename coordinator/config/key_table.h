// key_table.h -- every key that DeepSpeed knows, and what it does here.
//
// A key is honoured, or accepted with a stated reason why it has no effect, or
// refused with what to do instead. A key that is not in the table is unknown:
// an error with the nearest known one. Nothing is ignored in silence. The rows
// are in keys/, a file for each group of sections; key_page.h prints them.
#ifndef AUTOTP_COORDINATOR_CONFIG_KEY_TABLE_H_
#define AUTOTP_COORDINATOR_CONFIG_KEY_TABLE_H_

#include <limits>
#include <vector>

#include "absl/strings/string_view.h"

namespace autotp::config {

enum class KeyEffect {
  kHonoured,
  kNoEffect,          // accepted; `text` says why it changes nothing
  kRefused,           // an error; `text` says what to do instead
  kRefusedIfEnabled,  // an error unless the value switches the thing off
};

// The values that a key takes.
struct KeyType {
  enum class Kind {
    kBoolean,
    kInteger,
    kNumber,
    kText,
    kChoice,  // one of `choices`, in any case
    kList,
    kSection,  // an object with rows of its own
    kAnything,
  };
  Kind kind = Kind::kAnything;
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
  absl::string_view choices;  // "Ignore|Warn|Fail"
};

struct KeyEntry {
  absl::string_view section;  // "" at the top, else "optimizer.params.Adam"
  absl::string_view key;
  KeyType type;
  absl::string_view default_value;  // DeepSpeed's, as JSON; "" for none
  KeyEffect effect = KeyEffect::kHonoured;
  absl::string_view text;  // completes "KEY ...", or "has no effect: it ..."
};

// A section's keys stand together, in the order of the documentation. The
// section "optimizer.type" holds the values of that key, and likewise
// "scheduler.type".
const std::vector<KeyEntry>& KeyTable();

// Null where the section has no such key.
const KeyEntry* FindKey(absl::string_view section, absl::string_view key);

// The row of a value such as "adamw" in "optimizer.type", in any case; null
// where there is none.
const KeyEntry* FindTypeValue(absl::string_view section,
                              absl::string_view value);

std::vector<absl::string_view> KeysOf(absl::string_view section);

}  // namespace autotp::config

#endif  // AUTOTP_COORDINATOR_CONFIG_KEY_TABLE_H_
