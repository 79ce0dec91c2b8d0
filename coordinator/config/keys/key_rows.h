// key_rows.h -- the parts of the key table, one file each, and short names for
// writing their rows.
#ifndef AUTOTP_COORDINATOR_CONFIG_KEYS_KEY_ROWS_H_
#define AUTOTP_COORDINATOR_CONFIG_KEYS_KEY_ROWS_H_

#include "absl/types/span.h"
#include "coordinator/config/key_table.h"

namespace autotp::config {

absl::Span<const KeyEntry> CoreKeys();
absl::Span<const KeyEntry> PrecisionKeys();
absl::Span<const KeyEntry> OptimizerKeys();
absl::Span<const KeyEntry> OptimizerParamKeys();
absl::Span<const KeyEntry> SchedulerKeys();
absl::Span<const KeyEntry> ZeroKeys();
absl::Span<const KeyEntry> TensorParallelKeys();
absl::Span<const KeyEntry> CheckpointKeys();
absl::Span<const KeyEntry> MonitorKeys();
absl::Span<const KeyEntry> EngineKeys();
absl::Span<const KeyEntry> DataKeys();
absl::Span<const KeyEntry> CompressionKeys();

inline constexpr KeyEffect kHonoured = KeyEffect::kHonoured;
inline constexpr KeyEffect kNoEffect = KeyEffect::kNoEffect;
inline constexpr KeyEffect kRefused = KeyEffect::kRefused;
inline constexpr KeyEffect kRefusedIfEnabled = KeyEffect::kRefusedIfEnabled;

inline constexpr KeyType kFlag{KeyType::Kind::kBoolean};
inline constexpr KeyType kWhole{KeyType::Kind::kInteger};
inline constexpr KeyType kCount{KeyType::Kind::kInteger, 0};
inline constexpr KeyType kPositive{KeyType::Kind::kInteger, 1};
inline constexpr KeyType kReal{KeyType::Kind::kNumber};
inline constexpr KeyType kNotNegative{KeyType::Kind::kNumber, 0};
inline constexpr KeyType kShare{KeyType::Kind::kNumber, 0, 1};
inline constexpr KeyType kWord{KeyType::Kind::kText};
inline constexpr KeyType kItems{KeyType::Kind::kList};
inline constexpr KeyType kSection{KeyType::Kind::kSection};
inline constexpr KeyType kAnything{KeyType::Kind::kAnything};

constexpr KeyType OneOf(absl::string_view choices) {
  KeyType type{KeyType::Kind::kChoice};
  type.choices = choices;
  return type;
}

inline constexpr KeyType kDataType =
    OneOf("fp32|float32|float|fp16|float16|half|bf16|bfloat16");

}  // namespace autotp::config

#endif  // AUTOTP_COORDINATOR_CONFIG_KEYS_KEY_ROWS_H_
