#include "coordinator/plan/pattern.h"

#include <re2/re2.h>

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"

namespace autotp::plan {
namespace {

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
      const char c = text_[at_];
      if (c == '\\') {
        AUTOTP_RETURN_IF_ERROR(Escape());
      } else if (c == '[') {
        AUTOTP_RETURN_IF_ERROR(Class());
      } else if (c == '(') {
        AUTOTP_RETURN_IF_ERROR(Group());
      } else if (c == '*' || c == '+' || c == '?') {
        AUTOTP_RETURN_IF_ERROR(Quantifier(1));
      } else if (const size_t length = Repetition(); length > 0) {
        AUTOTP_RETURN_IF_ERROR(Quantifier(length));
      } else {
        Copy(1);
        quantified_ = false;
      }
    }
    return std::move(out_);
  }

 private:
  absl::string_view Rest() const { return text_.substr(at_); }

  void Copy(size_t count) {
    out_ += std::string(text_.substr(at_, count));
    at_ += count;
  }

  absl::Status Escape() {
    quantified_ = false;
    if (at_ + 1 >= text_.size()) {
      return absl::InvalidArgumentError("the pattern ends in a backslash");
    }
    const char c = text_[at_ + 1];
    if (c >= '1' && c <= '9') {
      return Unsupported("back-reference", text_.substr(at_, 2));
    }
    if (c == 'Z') {
      out_ += "\\z";
      at_ += 2;
      return absl::OkStatus();
    }
    if (absl::ascii_isalpha(c) &&
        absl::string_view("AbBdDsSwWafnrtvx").find(c) ==
            absl::string_view::npos) {
      return Unsupported("escape", text_.substr(at_, 2));
    }
    Copy(2);
    return absl::OkStatus();
  }

  absl::Status Class() {
    quantified_ = false;
    Copy(1);
    if (absl::StartsWith(Rest(), "^")) Copy(1);
    if (absl::StartsWith(Rest(), "]")) Copy(1);
    while (at_ < text_.size() && text_[at_] != ']') {
      if (absl::StartsWith(Rest(), "[:")) {
        return Unsupported("character class", "[:");
      }
      if (text_[at_] == '[') {  // plain in Python
        out_ += "\\[";
        ++at_;
      } else {
        Copy(text_[at_] == '\\' ? 2 : 1);
      }
    }
    if (at_ < text_.size()) Copy(1);
    return absl::OkStatus();
  }

  absl::Status Group() {
    quantified_ = false;
    struct Construct {
      absl::string_view begin;
      absl::string_view name;
    };
    for (const Construct& construct :
         {Construct{"(?=", "look-ahead"}, Construct{"(?!", "look-ahead"},
          Construct{"(?<=", "look-behind"}, Construct{"(?<!", "look-behind"},
          Construct{"(?>", "atomic group"}, Construct{"(?(", "condition"},
          Construct{"(?#", "comment"}, Construct{"(?P=", "back-reference"},
          Construct{"(?<", "group"}, Construct{"(?P>", "group"}}) {
      if (absl::StartsWith(Rest(), construct.begin)) {
        return Unsupported(construct.name, construct.begin);
      }
    }
    if (absl::StartsWith(Rest(), "(?") && !absl::StartsWith(Rest(), "(?P<")) {
      const size_t end = text_.find_first_of(":)", at_);
      const absl::string_view flags = text_.substr(
          at_ + 2, end == absl::string_view::npos ? 0 : end - at_ - 2);
      if (flags.find_first_not_of("ims-") != absl::string_view::npos) {
        return Unsupported("flag", absl::StrCat("(?", flags));
      }
      Copy(2 + flags.size());
      return absl::OkStatus();
    }
    Copy(1);
    return absl::OkStatus();
  }

  // The length of "{2}", "{2,}", "{2,3}" or "{,3}" here; 0 if there is none,
  // and the brace then is plain.
  size_t Repetition() const {
    if (text_[at_] != '{') return 0;
    const size_t close = text_.find('}', at_);
    if (close == absl::string_view::npos || close == at_ + 1) return 0;
    const absl::string_view inner = text_.substr(at_ + 1, close - at_ - 1);
    int commas = 0;
    for (const char c : inner) {
      if (c == ',') {
        ++commas;
      } else if (!absl::ascii_isdigit(c)) {
        return 0;
      }
    }
    return commas <= 1 ? close - at_ + 1 : 0;
  }

  absl::Status Quantifier(size_t length) {
    if (quantified_) {
      return Unsupported(
          text_[at_] == '+' ? "possessive quantifier" : "multiple repeat",
          text_.substr(at_ - 1, length + 1));
    }
    if (absl::StartsWith(Rest(), "{,")) {
      out_ += "{0";
      ++at_;
      --length;
    }
    Copy(length);
    if (absl::StartsWith(Rest(), "?")) Copy(1);
    quantified_ = true;
    return absl::OkStatus();
  }

  absl::string_view text_;
  size_t at_ = 0;
  std::string out_;
  bool quantified_ = false;  // a quantifier ends here
};

}  // namespace

absl::StatusOr<Pattern> Pattern::Compile(const std::string& text) {
  AUTOTP_ASSIGN_OR_RETURN(const std::string translated, Translator(text).Run());
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
