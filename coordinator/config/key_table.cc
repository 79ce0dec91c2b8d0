#include "coordinator/config/key_table.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "coordinator/config/keys/key_rows.h"

namespace autotp::config {
namespace {

size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1,
                         diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

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

absl::string_view Nearest(absl::string_view name,
                          const std::vector<absl::string_view>& candidates) {
  const std::string wanted = absl::AsciiStrToLower(name.substr(0, 80));
  absl::string_view best;
  size_t best_distance = 1 + std::max<size_t>(2, wanted.size() / 3);
  for (absl::string_view candidate : candidates) {
    const size_t distance =
        EditDistance(wanted, absl::AsciiStrToLower(candidate));
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace autotp::config
