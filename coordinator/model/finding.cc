#include "coordinator/model/finding.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "coordinator/model/utf8.h"

namespace autotp::model {
namespace {

constexpr char kPayload[] = "autotp.v1.Diagnostic";

v1::Diagnostic Write(const Finding& finding,
                     v1::Diagnostic::Severity severity) {
  v1::Diagnostic diagnostic;
  diagnostic.set_severity(severity);
  diagnostic.set_reason(finding.reason);
  diagnostic.set_file(ToUtf8(finding.file));
  diagnostic.set_message(ToUtf8(finding.message));
  diagnostic.set_suggestion(finding.suggestion);
  diagnostic.set_json_pointer(ToUtf8(finding.json_pointer));
  diagnostic.set_line(finding.line);
  diagnostic.set_column(finding.column);
  return diagnostic;
}

}  // namespace

absl::Status ToStatus(const Finding& finding, absl::StatusCode code) {
  std::string text = finding.file;
  if (finding.line > 0)
    absl::StrAppend(&text, ":", finding.line, ":", finding.column);
  absl::StrAppend(&text, text.empty() ? "" : ": ", finding.message);
  if (!finding.suggestion.empty())
    absl::StrAppend(&text, "; ", finding.suggestion);
  absl::Status status(code, ToUtf8(text));
  status.SetPayload(
      kPayload,
      absl::Cord(
          Write(finding, v1::Diagnostic::SEVERITY_ERROR).SerializeAsString()));
  return status;
}

v1::Diagnostic ToWarning(const Finding& finding) {
  return Write(finding, v1::Diagnostic::SEVERITY_WARNING);
}

v1::Diagnostic ToDiagnostic(const absl::Status& status) {
  v1::Diagnostic diagnostic;
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayload);
  if (payload.has_value() &&
      diagnostic.ParseFromString(std::string(*payload))) {
    return diagnostic;
  }
  diagnostic.set_severity(v1::Diagnostic::SEVERITY_ERROR);
  diagnostic.set_reason("MODEL_INVALID");
  diagnostic.set_message(std::string(status.message()));
  return diagnostic;
}

}  // namespace autotp::model
