// pattern.h -- Python's re.match over RE2.
//
// A pattern is anchored at the start of the name, not at its end. RE2 matches
// in linear time; what it cannot express, or would read differently from
// Python, is refused by name (pattern_translator.h). \d, \w and \s mean ASCII,
// as names of parameters are.
#ifndef AUTOTP_COORDINATOR_PLAN_PATTERN_H_
#define AUTOTP_COORDINATOR_PLAN_PATTERN_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace re2 {
class RE2;
}

namespace autotp::plan {

// Immutable; copies share the compiled form. Thread-safe.
class Pattern {
 public:
  // INVALID_ARGUMENT naming the construct: look-around, back-references,
  // possessive quantifiers, conditionals, flags, or a plain syntax error.
  static absl::StatusOr<Pattern> Compile(const std::string& text);

  bool Matches(absl::string_view name) const;
  const std::string& text() const { return text_; }

 private:
  Pattern(std::string text, std::shared_ptr<const re2::RE2> compiled)
      : text_(std::move(text)), compiled_(std::move(compiled)) {}

  std::string text_;
  std::shared_ptr<const re2::RE2> compiled_;
};

}  // namespace autotp::plan

#endif  // AUTOTP_COORDINATOR_PLAN_PATTERN_H_
