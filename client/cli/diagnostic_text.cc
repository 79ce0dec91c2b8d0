#include "client/cli/diagnostic_text.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace autotp::cli {
namespace {

absl::string_view SeverityWord(v1::Diagnostic::Severity severity) {
  switch (severity) {
    case v1::Diagnostic::SEVERITY_WARNING:
      return "warning";
    case v1::Diagnostic::SEVERITY_NOTE:
      return "note";
    default:
      return "error";
  }
}

// The line and a caret under its column; tabs stay tabs, so that both align.
std::string Excerpt(absl::string_view text, int line, int column) {
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (line < 1 || line > static_cast<int>(lines.size())) return "";
  const absl::string_view shown = lines[line - 1];
  const size_t before = std::min<size_t>(shown.size(), std::max(0, column - 1));
  std::string margin;
  for (const char c : shown.substr(0, before)) margin += c == '\t' ? '\t' : ' ';
  return absl::StrCat("    ", shown, "\n    ", margin, "^\n");
}

}  // namespace

std::string DiagnosticText(const v1::Diagnostic& diagnostic,
                           absl::string_view config_text) {
  std::string place = diagnostic.file();
  if (diagnostic.line() > 0) {
    absl::StrAppend(&place, ":", diagnostic.line(), ":", diagnostic.column());
  }
  if (!place.empty()) place += ": ";
  std::string text =
      absl::StrCat(place, SeverityWord(diagnostic.severity()), ": ",
                   diagnostic.message(), " [", diagnostic.reason(), "]\n");
  if (diagnostic.line() > 0) {
    absl::StrAppend(
        &text, Excerpt(config_text, diagnostic.line(), diagnostic.column()));
  }
  if (!diagnostic.suggestion().empty())
    absl::StrAppend(&text, "    help: ", diagnostic.suggestion(), "\n");
  return text;
}

}  // namespace autotp::cli
