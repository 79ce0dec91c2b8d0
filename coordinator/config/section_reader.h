// section_reader.h -- typed access to the values of one section.
//
// A value of the wrong type or out of range is reported and read as absent.
// "auto", which Hugging Face's trainer fills in, is read as absent with a
// note. Absent values are the caller's to fill in.
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

  // Where the key's value stands; where the section stands if absent.
  SourcePlace PlaceOf(absl::string_view key) const;
  SourcePlace Place() const;

  // Reports WRONG_TYPE at the node: "KEY is VALUE (a string); `wanted`".
  void WrongType(const JsonNode& node, absl::string_view wanted) const;
  void OutOfRange(const JsonNode& node, absl::string_view wanted) const;

  const JsonDocument& document() const { return document_; }
  Diagnostics* diagnostics() const { return diagnostics_; }

 private:
  // The number of a node that is one or is text that reads as one.
  std::optional<double> Numeric(const JsonNode& node) const;

  const JsonDocument& document_;
  const JsonNode* section_;
  Diagnostics* diagnostics_;
};

}  // namespace autotp::config

#endif  // AUTOTP_COORDINATOR_CONFIG_SECTION_READER_H_
