#include "coordinator/plan/pattern.h"

#include <re2/re2.h>

#include <utility>

#include "absl/status/status.h"
#include "coordinator/plan/pattern_translator.h"
#include "proto/support/status_macros.h"

namespace autotp::plan {

absl::StatusOr<Pattern> Pattern::Compile(const std::string& text) {
  AUTOTP_ASSIGN_OR_RETURN(const std::string translated, ToRe2(text));
  RE2::Options options;
  options.set_log_errors(false);
  auto compiled = std::make_shared<const RE2>(translated, options);
  if (!compiled->ok()) return absl::InvalidArgumentError(compiled->error());
  return Pattern(text, std::move(compiled));
}

bool Pattern::Matches(absl::string_view name) const {
  return compiled_->Match(re2::StringPiece(name.data(), name.size()), 0,
                          name.size(), RE2::ANCHOR_START, nullptr, 0);
}

}  // namespace autotp::plan
