#include "client/cli/config_argument.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace autotp::cli {
namespace {

constexpr char kName[] = "--config";

// A document, perhaps after comments. What follows is its reader's to judge.
bool LooksLikeJson(absl::string_view text) {
  text = absl::StripLeadingAsciiWhitespace(text);
  absl::ConsumePrefix(&text, "\xEF\xBB\xBF");
  return !text.empty() &&
         (text[0] == '{' || text[0] == '#' || text.substr(0, 2) == "//" ||
          text.substr(0, 2) == "/*");
}

// What an error shows of a long argument.
std::string Shortened(const std::string& argument) {
  constexpr size_t kLongest = 60;
  return argument.size() <= kLongest
             ? argument
             : absl::StrCat(argument.substr(0, kLongest), "...");
}

}  // namespace

absl::StatusOr<ConfigArgument> ReadConfigArgument(const std::string& argument) {
  // A path that looks like JSON would be a strange one; a text too long for a
  // path must not be asked of the file system.
  const bool is_json =
      absl::StripLeadingAsciiWhitespace(argument).substr(0, 1) == "{";
  std::error_code error;
  if (!is_json && std::filesystem::is_regular_file(argument, error)) {
    std::ifstream file(argument, std::ios::binary);
    if (!file) {
      return absl::InvalidArgumentError(
          absl::StrCat(argument, ": cannot be read; check its permissions"));
    }
    return ConfigArgument{std::string(std::istreambuf_iterator<char>(file), {}),
                          argument};
  }
  if (is_json || (LooksLikeJson(argument) && argument[0] != '/')) {
    return ConfigArgument{argument, kName};
  }
  std::string text;
  for (const auto decode :
       {absl::Base64Unescape, absl::WebSafeBase64Unescape}) {
    if (decode(argument, &text) && LooksLikeJson(text)) {
      return ConfigArgument{text, kName};
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      Shortened(argument),
      ": no such file; --config takes the path of a file, a JSON text, or a "
      "JSON text in base64"));
}

}  // namespace autotp::cli
