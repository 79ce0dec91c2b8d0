// section_reader.h -- typed access to the values of one section.
//
// A value of the wrong type or out of range is reported, once, and read as
// absent. "auto" is read as absent too: key_check.h has said what it means,
// unless the caller derives the value (auto_values.h). Absent values are the
// caller's to fill in.
#ifndef AUTOTP_COORDINATOR_CONFIG_SECTION_READER_H_
#define AUTOTP_COORDINATOR_CONFIG_SECTION_READER_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "coordinator/config/diagnostics.h"
#include "coordinator/config/json_document.h"

namespace autotp::config {

class SectionReader {
 public:
  // `section` may be null: everything is then absent. A node that is no
  // object is reported as WRONG_TYPE.
  SectionReader(const JsonDocument& document, const JsonNode* section,
                Diagnostics* diagnostics);

  bool present() const { return section_ != nullptr; }
  // Null where absent, null or "auto".
  const JsonNode* Find(absl::string_view key) const;

  // Numeric text ("5e8") and numbers like 5e8 are integers, as in DeepSpeed.
  std::optional<int64_t> Integer(
      absl::string_view key, int64_t minimum,
      int64_t maximum = std::numeric_limits<int64_t>::max()) const;
  std::optional<double> Number(
      absl::string_view key, double minimum,
      double maximum = std::numeric_limits<double>::infinity()) const;
  std::optional<bool> Boolean(absl::string_view key) const;
  std::optional<std::string> Text(absl::string_view key) const;
  // One of `choices`, "a|b|c", in any case; returned in lower case. Else
  // UNKNOWN_VALUE.
  std::optional<std::string> Choice(absl::string_view key,
                                    absl::string_view choices) const;

  // Whether the key is written as "auto".
  bool IsAuto(absl::string_view key) const;
  // Notes at the key, which is "auto", what it is here and why.
  void NoteAuto(absl::string_view key, absl::string_view value,
                absl::string_view why) const;

  // Where the key's value stands; where the section stands if absent.
  SourcePlace PlaceOf(absl::string_view key) const;
  SourcePlace Place() const;

  // Reports WRONG_TYPE at the node: "KEY is VALUE (a string); `wanted`".
  void WrongType(const JsonNode& node, absl::string_view wanted) const;
  void OutOfRange(const JsonNode& node, absl::string_view wanted) const;

  const JsonDocument& document() const { return document_; }
  Diagnostics* diagnostics() const { return diagnostics_; }

 private:
  // The key check and a section's reader may find the same.
  void ReportOnce(const JsonNode& node, absl::string_view reason,
                  std::string message) const;
  // The number of a node that is one or is text that reads as one.
  std::optional<double> Numeric(const JsonNode& node) const;

  const JsonDocument& document_;
  const JsonNode* section_;
  Diagnostics* diagnostics_;
};

}  // namespace autotp::config

#endif  // AUTOTP_COORDINATOR_CONFIG_SECTION_READER_H_
