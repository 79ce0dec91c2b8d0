// key_table.h -- every key that DeepSpeed knows, and what it does here.
//
// A key is honoured, or accepted with a stated reason why it has no effect, or
// refused with what to do instead. A key that is not in the table is unknown:
// an error with the nearest known one. Nothing is ignored in silence.
#ifndef AUTOTP_COORDINATOR_CONFIG_KEY_TABLE_H_
#define AUTOTP_COORDINATOR_CONFIG_KEY_TABLE_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "coordinator/config/diagnostics.h"
#include "coordinator/config/json_document.h"

namespace autotp::config {

enum class KeyEffect {
  kHonoured,
  kNoEffect,          // accepted; `text` says why it changes nothing
  kRefused,           // an error; `text` says what to do instead
  kRefusedIfEnabled,  // an error unless the value switches the thing off
};

struct KeyEntry {
  absl::string_view section;  // "" at the top, else "optimizer.params"
  absl::string_view key;
  KeyEffect effect = KeyEffect::kHonoured;
  absl::string_view text;  // completes "KEY ..."
};

// Sorted by nothing in particular; a section's keys stand together.
const std::vector<KeyEntry>& KeyTable();

// Null where the section has no such key.
const KeyEntry* FindKey(absl::string_view section, absl::string_view key);

// Checks all keys of the document: UNKNOWN_KEY, KEY_REFUSED (errors) and
// KEY_WITHOUT_EFFECT (a note). The "params" of optimizer and scheduler are left
// to their readers, who know the type.
void CheckKeys(const JsonDocument& document, Diagnostics* diagnostics);

// The same for one object by the keys of `section`.
void CheckSectionKeys(const JsonDocument& document, absl::string_view section,
                      const JsonNode& object, Diagnostics* diagnostics);

// The element of `candidates` nearest to `name` by edit distance, if near
// enough to be a slip; else empty.
absl::string_view Nearest(absl::string_view name,
                          const std::vector<absl::string_view>& candidates);

}  // namespace autotp::config

#endif  // AUTOTP_COORDINATOR_CONFIG_KEY_TABLE_H_
