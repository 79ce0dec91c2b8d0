// pattern_translator.h -- Python's spelling of a regular expression in RE2's.
//
// Pure. What RE2 cannot express, or would read differently from Python, is
// refused by the construct's name and place.
#ifndef AUTOTP_COORDINATOR_PLAN_PATTERN_TRANSLATOR_H_
#define AUTOTP_COORDINATOR_PLAN_PATTERN_TRANSLATOR_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace autotp::plan {

// INVALID_ARGUMENT naming the construct: look-around, back-references,
// possessive quantifiers, atomic groups, conditions, flags, escapes. What is
// merely malformed may pass, for RE2 to find.
absl::StatusOr<std::string> ToRe2(absl::string_view python_pattern);

}  // namespace autotp::plan

#endif  // AUTOTP_COORDINATOR_PLAN_PATTERN_TRANSLATOR_H_
