#include "client/cli/text_style.h"

#include <unistd.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace autotp::cli {
namespace {

// Codes of ECMA-48.
constexpr absl::string_view kBold = "\x1b[1m";
constexpr absl::string_view kFaint = "\x1b[2m";
constexpr absl::string_view kPlain = "\x1b[0m";

}  // namespace

std::string TextStyle::Bold(absl::string_view text) const {
  return colour ? absl::StrCat(kBold, text, kPlain) : std::string(text);
}

std::string TextStyle::Faint(absl::string_view text) const {
  return colour ? absl::StrCat(kFaint, text, kPlain) : std::string(text);
}

TextStyle TerminalStyle() {
  const char* none = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  TextStyle style;
  style.colour = isatty(STDOUT_FILENO) != 0 &&
                 (none == nullptr || *none == '\0') && term != nullptr &&
                 absl::string_view(term) != "dumb";
  return style;
}

std::vector<std::string> Wrap(absl::string_view text, size_t width) {
  std::vector<std::string> lines(1);
  for (const absl::string_view word :
       absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    if (!lines.back().empty() && lines.back().size() + 1 + word.size() > width)
      lines.emplace_back();
    absl::StrAppend(&lines.back(), lines.back().empty() ? "" : " ", word);
  }
  return lines;
}

}  // namespace autotp::cli
