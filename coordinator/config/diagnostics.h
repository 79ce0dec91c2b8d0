// diagnostics.h -- findings about the user's input, collected.
//
// Flow: readers of config, model and rules report here -> planner/ hands all
// of them to the user at once. Nothing stops at the first finding.
//
// Reason codes are UPPER_SNAKE and never change their meaning. After
// kMostDiagnostics of them one says that there are more, and those are counted
// only.
// Threading: one owner, no locks.
#ifndef AUTOTP_COORDINATOR_CONFIG_DIAGNOSTICS_H_
#define AUTOTP_COORDINATOR_CONFIG_DIAGNOSTICS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "autotp/v1/common.pb.h"

namespace autotp::config {

// Where in which file; line and column are 1-based, 0 where there is no text.
struct SourcePlace {
  std::string file;
  std::string json_pointer;  // RFC 6901
  int line = 0;
  int column = 0;
};

class Diagnostics {
 public:
  static constexpr int kMostDiagnostics = 500;

  // `suggestion`: what to write instead; may be empty.
  void Error(const SourcePlace& place, absl::string_view reason,
             std::string message, std::string suggestion = "");
  void Warning(const SourcePlace& place, absl::string_view reason,
               std::string message, std::string suggestion = "");
  void Note(const SourcePlace& place, absl::string_view reason,
            std::string message, std::string suggestion = "");

  // One that another module made.
  void Add(v1::Diagnostic diagnostic);

  // Whether something with that reason was reported at that very place.
  bool Has(const SourcePlace& place, absl::string_view reason) const;
  bool has_error() const { return errors_ > 0; }
  int errors() const { return errors_; }
  // In the order found.
  const std::vector<v1::Diagnostic>& all() const { return all_; }

 private:
  void Add(v1::Diagnostic::Severity severity, const SourcePlace& place,
           absl::string_view reason, std::string message,
           std::string suggestion);

  // False, perhaps after a last word, if there are too many already.
  bool HasRoom();

  std::vector<v1::Diagnostic> all_;
  int errors_ = 0;
};

}  // namespace autotp::config

#endif  // AUTOTP_COORDINATOR_CONFIG_DIAGNOSTICS_H_
