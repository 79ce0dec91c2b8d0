#include "coordinator/config/key_table.h"

#include "absl/strings/match.h"
#include "coordinator/config/keys/key_rows.h"

namespace autotp::config {
const std::vector<KeyEntry>& KeyTable() {
  static const std::vector<KeyEntry>* const table = [] {
    auto* all = new std::vector<KeyEntry>();
    for (const absl::Span<const KeyEntry> part :
         {CoreKeys(), PrecisionKeys(), OptimizerKeys(), OptimizerParamKeys(),
          SchedulerKeys(), ZeroKeys(), TensorParallelKeys(), CheckpointKeys(),
          MonitorKeys(), EngineKeys(), DataKeys(), CompressionKeys()}) {
      all->insert(all->end(), part.begin(), part.end());
    }
    return all;
  }();
  return *table;
}

const KeyEntry* FindKey(absl::string_view section, absl::string_view key) {
  for (const KeyEntry& entry : KeyTable()) {
    if (entry.key == key && entry.section == section) return &entry;
  }
  return nullptr;
}

const KeyEntry* FindTypeValue(absl::string_view section,
                              absl::string_view value) {
  for (const KeyEntry& entry : KeyTable()) {
    if (entry.section == section && absl::EqualsIgnoreCase(entry.key, value)) {
      return &entry;
    }
  }
  return nullptr;
}

std::vector<absl::string_view> KeysOf(absl::string_view section) {
  std::vector<absl::string_view> keys;
  for (const KeyEntry& entry : KeyTable()) {
    if (entry.section == section) keys.push_back(entry.key);
  }
  return keys;
}

}  // namespace autotp::config
