// diagnostic_text.h -- findings as a compiler prints them.
#ifndef AUTOTP_CLIENT_CLI_DIAGNOSTIC_TEXT_H_
#define AUTOTP_CLIENT_CLI_DIAGNOSTIC_TEXT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "autotp/v1/common.pb.h"
#include "autotp/v1/job.pb.h"
#include "google/protobuf/repeated_field.h"

namespace autotp::cli {

// The document that findings with a line point into.
struct ConfigText {
  absl::string_view name;  // as findings name it; empty: any name
  absl::string_view text;
};

// file:line:column: severity: message [REASON], the line with a caret below,
// and the suggestion. A long line is cut around the caret. Pure.
std::string DiagnosticText(const v1::Diagnostic& diagnostic,
                           const ConfigText& config, bool colour = false);

// "2 errors, 1 warning, 3 notes"; empty for none. Pure.
std::string CountsText(
    const google::protobuf::RepeatedPtrField<v1::Diagnostic>& diagnostics);

// All of them and their counts to standard error; in colour on a terminal
// unless NO_COLOR is set.
void PrintDiagnostics(
    const google::protobuf::RepeatedPtrField<v1::Diagnostic>& diagnostics,
    const v1::JobSpec& spec);

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_DIAGNOSTIC_TEXT_H_
