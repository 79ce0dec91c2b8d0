// diagnostic_text.h -- findings as a compiler prints them. Pure.
#ifndef AUTOTP_CLIENT_CLI_DIAGNOSTIC_TEXT_H_
#define AUTOTP_CLIENT_CLI_DIAGNOSTIC_TEXT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "autotp/v1/common.pb.h"

namespace autotp::cli {

// file:line:column: severity: message [REASON], the line with a caret below,
// and the suggestion. `config_text` is the document that a finding with a
// line points into.
std::string DiagnosticText(const v1::Diagnostic& diagnostic,
                           absl::string_view config_text);

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_DIAGNOSTIC_TEXT_H_
