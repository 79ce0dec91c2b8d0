// config_reader.h -- typed access to a model's config.json.
//
// Keys that are absent or null take the fallback that Transformers' class
// has. A value of a wrong type or outside its limits is a finding
// MODEL_CONFIG_INVALID with line and column; the first one is kept in
// status() and the reads after it go on, so that families read all their keys
// and check once. Nested keys are written with a slash: "rope_scaling/factor".
#ifndef AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_CONFIG_READER_H_
#define AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_CONFIG_READER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "coordinator/model/huggingface/json_text.h"

namespace autotp::model {

// Beyond any model. With the widths of a layer below kLargestWidth, what a
// program holds can be counted in int64.
inline constexpr int64_t kLargestSize = int64_t{1} << 31;
inline constexpr int64_t kLargestWidth = int64_t{1} << 23;

class ConfigReader {
 public:
  explicit ConfigReader(JsonText json) : json_(std::move(json)) {}

  // Present and not null.
  bool Has(absl::string_view key) const { return Find(key) != nullptr; }

  // Present, and null.
  bool IsNull(absl::string_view key) const;

  // A positive integer of at most `most`.
  int64_t Size(absl::string_view key, int64_t fallback,
               int64_t most = kLargestSize);
  std::optional<int64_t> Integer(absl::string_view key);
  double Number(absl::string_view key, double fallback);
  bool Flag(absl::string_view key, bool fallback);
  std::string Text(absl::string_view key, absl::string_view fallback);
  std::vector<std::string> Texts(absl::string_view key);
  std::vector<double> Numbers(absl::string_view key);
  // Members of an object of texts, in the order of the file.
  std::vector<std::pair<std::string, std::string>> TextMembers(
      absl::string_view key);
  // Is there an object? A value that is none (nor null) is a finding.
  bool IsSection(absl::string_view key);

  // Keeps a finding about `key`, unless there is one already.
  void Fail(absl::string_view key, absl::string_view message,
            absl::string_view suggestion = "");
  v1::Diagnostic Warning(absl::string_view key, absl::string_view message,
                         absl::string_view suggestion = "") const;
  const absl::Status& status() const { return status_; }

  const std::string& file() const { return json_.file; }
  const std::string& text() const { return json_.text; }

 private:
  const nlohmann::json* Find(absl::string_view key) const;
  Finding FindingAbout(absl::string_view key, absl::string_view message,
                       absl::string_view suggestion) const;
  void WrongType(absl::string_view key, absl::string_view expected);

  JsonText json_;
  absl::Status status_;
};

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_CONFIG_READER_H_
