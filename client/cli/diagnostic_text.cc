#include "client/cli/diagnostic_text.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace autotp::cli {
namespace {

constexpr size_t kWidestExcerpt = 110;  // characters

// The terminal's words for colours.
struct Colours {
  absl::string_view strong, error, warning, note, off;
};
constexpr Colours kNoColours;
constexpr Colours kTerminal = {"\033[1m", "\033[1;31m", "\033[1;35m",
                               "\033[1;36m", "\033[0m"};

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

absl::string_view SeverityColour(v1::Diagnostic::Severity severity,
                                 const Colours& colours) {
  switch (severity) {
    case v1::Diagnostic::SEVERITY_WARNING:
      return colours.warning;
    case v1::Diagnostic::SEVERITY_NOTE:
      return colours.note;
    default:
      return colours.error;
  }
}

// UTF-8, character by character: columns count characters.
std::vector<absl::string_view> Characters(absl::string_view line) {
  std::vector<absl::string_view> characters;
  for (size_t begin = 0; begin < line.size();) {
    size_t end = begin + 1;
    while (end < line.size() &&
           (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) {
      ++end;
    }
    characters.push_back(line.substr(begin, end - begin));
    begin = end;
  }
  return characters;
}

// The line and a caret under its column; tabs stay tabs, so that both align.
std::string Excerpt(absl::string_view text, int line, int column,
                    const Colours& colours) {
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (line < 1 || line > static_cast<int>(lines.size())) return "";
  std::vector<absl::string_view> shown =
      Characters(absl::StripSuffix(lines[line - 1], "\r"));
  size_t before = std::min<size_t>(shown.size(), std::max(0, column - 1));
  if (shown.size() > kWidestExcerpt) {
    const size_t begin =
        before > kWidestExcerpt / 2 ? before - kWidestExcerpt / 2 : 0;
    const size_t end = std::min(shown.size(), begin + kWidestExcerpt);
    shown.assign(shown.begin() + begin, shown.begin() + end);
    before -= begin;
  }
  std::string margin;
  for (size_t i = 0; i < before; ++i) margin += shown[i] == "\t" ? '\t' : ' ';
  return absl::StrCat("    ", absl::StrJoin(shown, ""), "\n    ", margin,
                      colours.note, "^", colours.off, "\n");
}

}  // namespace

std::string DiagnosticText(const v1::Diagnostic& diagnostic,
                           const ConfigText& config, bool colour) {
  const Colours& colours = colour ? kTerminal : kNoColours;
  std::string place = diagnostic.file();
  if (diagnostic.line() > 0) {
    absl::StrAppend(&place, ":", diagnostic.line(), ":", diagnostic.column());
  }
  if (!place.empty()) place = absl::StrCat(colours.strong, place, ": ");
  std::string text =
      absl::StrCat(place, SeverityColour(diagnostic.severity(), colours),
                   SeverityWord(diagnostic.severity()), ": ", colours.off,
                   diagnostic.message(), " [", diagnostic.reason(), "]\n");
  if (diagnostic.line() > 0 &&
      (config.name.empty() || diagnostic.file() == config.name)) {
    absl::StrAppend(&text, Excerpt(config.text, diagnostic.line(),
                                   diagnostic.column(), colours));
  }
  if (!diagnostic.suggestion().empty()) {
    absl::StrAppend(&text, "    help: ", diagnostic.suggestion(), "\n");
  }
  return text;
}

std::string CountsText(
    const google::protobuf::RepeatedPtrField<v1::Diagnostic>& diagnostics) {
  std::vector<std::string> parts;
  for (const v1::Diagnostic::Severity severity :
       {v1::Diagnostic::SEVERITY_ERROR, v1::Diagnostic::SEVERITY_WARNING,
        v1::Diagnostic::SEVERITY_NOTE}) {
    const auto count = std::count_if(diagnostics.begin(), diagnostics.end(),
                                     [severity](const v1::Diagnostic& d) {
                                       return d.severity() == severity;
                                     });
    if (count == 0) continue;
    parts.push_back(absl::StrCat(count, " ", SeverityWord(severity),
                                 count == 1 ? "" : "s"));
  }
  return absl::StrJoin(parts, ", ");
}

void PrintDiagnostics(
    const google::protobuf::RepeatedPtrField<v1::Diagnostic>& diagnostics,
    const v1::JobSpec& spec) {
  const bool colour =
      isatty(STDERR_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  const ConfigText config{spec.config_name(), spec.config_json()};
  for (const v1::Diagnostic& diagnostic : diagnostics) {
    std::fprintf(stderr, "%s",
                 DiagnosticText(diagnostic, config, colour).c_str());
  }
  const std::string counts = CountsText(diagnostics);
  if (!counts.empty()) std::fprintf(stderr, "%s\n", counts.c_str());
}

}  // namespace autotp::cli
