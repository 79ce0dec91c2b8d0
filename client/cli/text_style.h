// text_style.h -- how wide a text may be, and whether it may have colours.
// Pure, but for TerminalStyle.
#ifndef AUTOTP_CLIENT_CLI_TEXT_STYLE_H_
#define AUTOTP_CLIENT_CLI_TEXT_STYLE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace autotp::cli {

struct TextStyle {
  size_t width = 110;  // columns; a word that is longer stands alone
  bool colour = false;

  // Emphasis that a text without colours does not need.
  std::string Bold(absl::string_view text) const;
  std::string Faint(absl::string_view text) const;
};

// Of standard output: colours on a terminal only, and never where NO_COLOR is
// set or TERM is "dumb".
TextStyle TerminalStyle();

// The words of `text` in lines of at most `width` columns; at least one line.
std::vector<std::string> Wrap(absl::string_view text, size_t width);

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_TEXT_STYLE_H_
