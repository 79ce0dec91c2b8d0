// json_text.h -- JSON files of a model folder, and where things stand in them.
#ifndef AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_JSON_TEXT_H_
#define AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_JSON_TEXT_H_

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "coordinator/model/finding.h"

namespace autotp::model {

struct JsonText {
  std::string file;  // path, for messages
  std::string text;
  nlohmann::json root;
};

// The bytes of a regular file. Findings: MODEL_FILE_UNREADABLE (also for one
// above `most_bytes`).
absl::StatusOr<std::string> ReadTextFile(const std::string& path,
                                         size_t most_bytes);

// Findings: MODEL_JSON_INVALID with line and column. Two members of one name
// are that too if `unique_names`, else the last counts.
absl::StatusOr<nlohmann::json> ParseJson(const std::string& file,
                                         absl::string_view text,
                                         bool unique_names = false);

absl::StatusOr<JsonText> ReadJsonFile(const std::string& path,
                                      size_t most_bytes);

// Where a member of nested objects stands, in bytes.
struct MemberPlace {
  size_t name_begin = 0;
  size_t value_begin = 0;
  size_t value_end = 0;
};
// REQUIRES: `text` is valid JSON. nullopt if there is no such member.
std::optional<MemberPlace> FindMember(absl::string_view text,
                                      absl::Span<const std::string> path);

// Line and column (1-based, in characters) of a byte of `text`.
void SetPlace(absl::string_view text, size_t offset, Finding* finding);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_JSON_TEXT_H_
