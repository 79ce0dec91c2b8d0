#include "coordinator/plan/pattern_translator.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proto/support/status_macros.h"

namespace autotp::plan {
namespace {

constexpr int64_t kMostRepetitions = 1000;  // of RE2

absl::Status Unsupported(absl::string_view construct, absl::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat(construct, " \"", text, "\" is not supported"));
}

// Copies a Python pattern in RE2's spelling.
class Translator {
 public:
  explicit Translator(absl::string_view text) : text_(text) {}

  absl::StatusOr<std::string> Run() {
    while (at_ < text_.size()) {
      const size_t begin = at_;
      const absl::Status status = Step();
      if (!status.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat(status.message(), " (at character ", begin + 1, ")"));
      }
    }
    return std::move(out_);
  }

 private:
  // What stands before the next character.
  enum class Before {
    kNothing,     // the beginning, "(", "|", an anchor: nothing to repeat
    kItem,        // what can be repeated
    kQuantifier,  // what is repeated already
  };

  absl::string_view Rest() const { return text_.substr(at_); }

  void Copy(size_t count) {
    out_ += std::string(text_.substr(at_, count));
    at_ = std::min(at_ + count, text_.size());
  }

  void Replace(size_t count, absl::string_view by) {
    out_ += std::string(by);
    at_ += count;
  }

  absl::Status Step() {
    const char c = text_[at_];
    switch (c) {
      case '\\':
        return Escape();
      case '[':
        return Class();
      case '(':
        return Group();
      case '*':
      case '+':
      case '?':
        AUTOTP_RETURN_IF_ERROR(CheckQuantifier(1));
        Copy(1);
        return Lazy();
      case '{':
        return Brace();
      case ')':
        if (!multiline_.empty()) multiline_.pop_back();
        Copy(1);
        before_ = Before::kItem;
        return absl::OkStatus();
      case '$':
        // Python's also matches before a final newline.
        Replace(1, Multiline() ? "$" : "(?:\\n?\\z)");
        before_ = Before::kNothing;
        return absl::OkStatus();
      case '^':
      case '|':
        Copy(1);
        before_ = Before::kNothing;
        return absl::OkStatus();
      default:
        Copy(1);
        before_ = Before::kItem;
        return absl::OkStatus();
    }
  }

  absl::Status Escape() {
    if (at_ + 1 >= text_.size()) {
      return absl::InvalidArgumentError("the pattern ends in a backslash");
    }
    const char c = text_[at_ + 1];
    before_ = Before::kItem;
    if (absl::string_view("AbBZ").find(c) != absl::string_view::npos) {
      before_ = Before::kNothing;
      if (c == 'Z') {
        Replace(2, "\\z");
      } else {
        Copy(2);
      }
      return absl::OkStatus();
    }
    if (c >= '1' && c <= '9' && OctalLength() == 0) {
      return Unsupported("back-reference", text_.substr(at_, 2));
    }
    return CharacterEscape("dDsSwWafnrtv");
  }

  // Three octal digits, or up to three behind a zero; 0: none.
  size_t OctalLength() const {
    size_t length = 0;
    while (length < 3 && at_ + 1 + length < text_.size() &&
           text_[at_ + 1 + length] >= '0' && text_[at_ + 1 + length] <= '7') {
      ++length;
    }
    const bool is_octal = length == 3 || (length > 0 && text_[at_ + 1] == '0');
    return is_octal ? length : 0;
  }

  // One character, or one of `letters`, which mean the same to RE2.
  absl::Status CharacterEscape(absl::string_view letters) {
    const char c = text_[at_ + 1];
    if (const size_t length = OctalLength(); length > 0) {
      int code = 0;
      for (size_t i = 0; i < length; ++i) {
        code = 8 * code + (text_[at_ + 1 + i] - '0');
      }
      Replace(1 + length, absl::StrFormat("\\x{%x}", code));
      return absl::OkStatus();
    }
    const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits > 0) {
      const absl::string_view code = text_.substr(at_ + 2).substr(0, digits);
      const bool fits =
          code.size() == digits &&
          std::all_of(code.begin(), code.end(), [](char digit) {
            return absl::ascii_isxdigit(static_cast<unsigned char>(digit));
          });
      if (!fits) return Unsupported("escape", text_.substr(at_, 2));
      Replace(2 + digits, absl::StrCat("\\x{", code, "}"));
      return absl::OkStatus();
    }
    if (letters.find(c) != absl::string_view::npos) {
      Copy(2);
      return absl::OkStatus();
    }
    if (absl::ascii_isalnum(static_cast<unsigned char>(c))) {
      return Unsupported("escape", text_.substr(at_, 2));
    }
    if (absl::ascii_ispunct(static_cast<unsigned char>(c)) && c != '_') {
      Copy(2);
    } else {  // a plain character, which RE2 does not want escaped
      ++at_;
      Copy(1);
    }
    return absl::OkStatus();
  }

  absl::Status Class() {
    before_ = Before::kItem;
    Copy(1);
    if (absl::StartsWith(Rest(), "^")) Copy(1);
    if (absl::StartsWith(Rest(), "]")) Replace(1, "\\]");
    while (at_ < text_.size() && text_[at_] != ']') {
      if (absl::StartsWith(Rest(), "[:")) {
        return Unsupported("character class", "[:");
      }
      if (text_[at_] == '[') {  // plain in Python
        Replace(1, "\\[");
      } else if (text_[at_] != '\\') {
        Copy(1);
      } else if (absl::StartsWith(Rest(), "\\b")) {
        Replace(2, "\\x08");
      } else if (at_ + 1 < text_.size()) {
        AUTOTP_RETURN_IF_ERROR(CharacterEscape("dDsSwWafnrtv"));
      } else {
        return absl::InvalidArgumentError("the pattern ends in a backslash");
      }
    }
    Copy(1);
    return absl::OkStatus();
  }

  absl::Status Group() {
    struct Construct {
      absl::string_view begin;
      absl::string_view name;
    };
    for (const Construct& construct :
         {Construct{"(?=", "look-ahead"}, Construct{"(?!", "look-ahead"},
          Construct{"(?<=", "look-behind"}, Construct{"(?<!", "look-behind"},
          Construct{"(?>", "atomic group"}, Construct{"(?(", "condition"},
          Construct{"(?P=", "back-reference"}, Construct{"(?<", "group"},
          Construct{"(?P>", "group"}}) {
      if (absl::StartsWith(Rest(), construct.begin)) {
        return Unsupported(construct.name, construct.begin);
      }
    }
    if (absl::StartsWith(Rest(), "(?#")) return Comment();
    before_ = Before::kNothing;
    if (absl::StartsWith(Rest(), "(?") && !absl::StartsWith(Rest(), "(?P<")) {
      return Flags();
    }
    multiline_.push_back(Multiline());
    Copy(1);
    return absl::StartsWith(Rest(), "?P<") ? Name() : absl::OkStatus();
  }

  // "?P<name>", which a pattern has once.
  absl::Status Name() {
    Copy(3);
    const size_t length = std::min(Rest().find('>'), Rest().size());
    const absl::string_view name = Rest().substr(0, length);
    const bool is_name =
        !name.empty() && !absl::ascii_isdigit(name[0]) &&
        std::all_of(name.begin(), name.end(), [](char c) {
          return c == '_' || absl::ascii_isalnum(static_cast<unsigned char>(c));
        });
    if (length == Rest().size())
      return absl::InvalidArgumentError("missing >: unterminated group name");
    if (!is_name) return Unsupported("group name", name);
    if (!names_.insert(std::string(name)).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("the group name \"", name, "\" is there a second time"));
    }
    Copy(length + 1);
    return absl::OkStatus();
  }

  absl::Status Comment() {
    const size_t close = text_.find(')', at_);
    if (close == absl::string_view::npos) {
      return absl::InvalidArgumentError("missing ): unterminated comment");
    }
    at_ = close + 1;
    return absl::OkStatus();
  }

  // "(?i)" for the whole pattern, "(?i:" and "(?:" for a group.
  absl::Status Flags() {
    const size_t end = text_.find_first_of(":)", at_);
    if (end == absl::string_view::npos) {
      return absl::InvalidArgumentError("missing ): unterminated group");
    }
    const absl::string_view flags = text_.substr(at_ + 2, end - at_ - 2);
    const bool is_global = text_[end] == ')';
    if (flags.find_first_not_of("aimsu-") != absl::string_view::npos ||
        (is_global &&
         (flags.empty() || flags.find('-') != absl::string_view::npos))) {
      return Unsupported("flag", absl::StrCat("(?", flags));
    }
    if (is_global && at_ != 0) {
      return Unsupported("flag behind the beginning",
                         absl::StrCat("(?", flags, ")"));
    }
    // Names are ASCII, so "a" and "u" change nothing.
    std::string kept;
    const size_t minus = std::min(flags.find('-'), flags.size());
    bool multiline = Multiline();
    for (size_t i = 0; i < flags.size(); ++i) {
      if (flags[i] == 'm') multiline = i < minus;
      if (flags[i] != 'a' && flags[i] != 'u') kept += flags[i];
    }
    if (kept == "-") kept.clear();
    if (is_global) {
      whole_multiline_ = multiline;
      Replace(end + 1 - at_, kept.empty() ? "" : absl::StrCat("(?", kept, ")"));
    } else {
      multiline_.push_back(multiline);
      Replace(end + 1 - at_, absl::StrCat("(?", kept, ":"));
    }
    return absl::OkStatus();
  }

  bool Multiline() const {
    return multiline_.empty() ? whole_multiline_ : multiline_.back();
  }

  // "{2}", "{2,}", "{2,3}", "{,3}", or a plain brace.
  absl::Status Brace() {
    const size_t close = text_.find('}', at_);
    const absl::string_view inner =
        close == absl::string_view::npos || close == at_ + 1
            ? "none"
            : text_.substr(at_ + 1, close - at_ - 1);
    const size_t comma = inner.find(',');
    if (inner.find_first_not_of("0123456789,") != absl::string_view::npos ||
        inner.rfind(',') != comma) {
      Replace(1, "\\{");
      before_ = Before::kItem;
      return absl::OkStatus();
    }
    AUTOTP_RETURN_IF_ERROR(CheckQuantifier(close - at_ + 1));
    const absl::string_view least = inner.substr(0, comma);
    const absl::string_view most =
        comma == absl::string_view::npos ? least : inner.substr(comma + 1);
    AUTOTP_ASSIGN_OR_RETURN(const std::string low, Count(least, "0"));
    AUTOTP_ASSIGN_OR_RETURN(const std::string high, Count(most, ""));
    Replace(close - at_ + 1, absl::StrCat("{", low, ",", high, "}"));
    return Lazy();
  }

  static absl::StatusOr<std::string> Count(absl::string_view digits,
                                           absl::string_view fallback) {
    if (digits.empty()) return std::string(fallback);
    int64_t count = 0;
    if (!absl::SimpleAtoi(digits, &count) || count > kMostRepetitions) {
      return absl::InvalidArgumentError(
          absl::StrCat("repeats ", digits, " times; up to ", kMostRepetitions,
                       " are possible"));
    }
    return absl::StrCat(count);
  }

  absl::Status CheckQuantifier(size_t length) const {
    const absl::string_view quantifier = text_.substr(at_, length);
    switch (before_) {
      case Before::kNothing:
        return absl::InvalidArgumentError(
            absl::StrCat("nothing to repeat before \"", quantifier, "\""));
      case Before::kItem:
        return absl::OkStatus();
      case Before::kQuantifier:
        break;
    }
    return Unsupported(
        quantifier == "+" ? "possessive quantifier" : "multiple repeat",
        text_.substr(at_ - 1, length + 1));
  }

  absl::Status Lazy() {
    if (absl::StartsWith(Rest(), "?")) Copy(1);
    before_ = Before::kQuantifier;
    return absl::OkStatus();
  }

  absl::string_view text_;
  size_t at_ = 0;
  std::string out_;
  Before before_ = Before::kNothing;
  std::vector<bool> multiline_;  // of the groups that are open
  bool whole_multiline_ = false;
  std::set<std::string> names_;  // of groups
};

}  // namespace

absl::StatusOr<std::string> ToRe2(absl::string_view python_pattern) {
  return Translator(python_pattern).Run();
}

}  // namespace autotp::plan
