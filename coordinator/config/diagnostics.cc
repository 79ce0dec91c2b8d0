#include "coordinator/config/diagnostics.h"

#include <algorithm>
#include <utility>

namespace autotp::config {
namespace {

// Length of the UTF-8 character at `at`; 0 where there is none.
size_t CharacterLength(absl::string_view text, size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const size_t length = lead < 0x80                   ? 1
                        : lead >= 0xC2 && lead < 0xE0 ? 2
                        : lead >= 0xE0 && lead < 0xF0 ? 3
                        : lead >= 0xF0 && lead < 0xF5 ? 4
                                                      : 0;
  if (at + length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[at + i]) & 0xC0) != 0x80) return 0;
  }
  return length;
}

// Messages quote files, whose bytes may be anything; protobuf's strings must
// be UTF-8 or their receiver refuses them.
std::string ToUtf8(std::string text) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = CharacterLength(text, at);
    if (length == 0) text[at] = '?';
    at += length == 0 ? 1 : length;
  }
  return text;
}

}  // namespace

void Diagnostics::Error(const SourcePlace& place, absl::string_view reason,
                        std::string message, std::string suggestion) {
  ++errors_;
  Add(v1::Diagnostic::SEVERITY_ERROR, place, reason, std::move(message),
      std::move(suggestion));
}

void Diagnostics::Warning(const SourcePlace& place, absl::string_view reason,
                          std::string message, std::string suggestion) {
  Add(v1::Diagnostic::SEVERITY_WARNING, place, reason, std::move(message),
      std::move(suggestion));
}

void Diagnostics::Note(const SourcePlace& place, absl::string_view reason,
                       std::string message, std::string suggestion) {
  Add(v1::Diagnostic::SEVERITY_NOTE, place, reason, std::move(message),
      std::move(suggestion));
}

bool Diagnostics::Has(const SourcePlace& place,
                      absl::string_view reason) const {
  return std::any_of(all_.begin(), all_.end(), [&](const v1::Diagnostic& one) {
    return one.reason() == reason && one.file() == place.file &&
           one.json_pointer() == place.json_pointer &&
           one.line() == place.line && one.column() == place.column;
  });
}

bool Diagnostics::HasRoom() {
  if (all_.size() < kMostDiagnostics) return true;
  if (all_.size() == kMostDiagnostics) {
    v1::Diagnostic& last = all_.emplace_back(all_.back());
    last.set_reason("TOO_MANY_FINDINGS");
    last.set_severity(v1::Diagnostic::SEVERITY_ERROR);
    last.set_message("there are more findings than are shown");
    last.set_suggestion("correct these first");
    ++errors_;
  }
  return false;
}

void Diagnostics::Add(v1::Diagnostic diagnostic) {
  if (diagnostic.severity() == v1::Diagnostic::SEVERITY_ERROR) ++errors_;
  if (!HasRoom()) return;
  all_.push_back(std::move(diagnostic));
}

void Diagnostics::Add(v1::Diagnostic::Severity severity,
                      const SourcePlace& place, absl::string_view reason,
                      std::string message, std::string suggestion) {
  if (!HasRoom()) return;
  v1::Diagnostic& diagnostic = all_.emplace_back();
  diagnostic.set_severity(severity);
  diagnostic.set_reason(std::string(reason));
  diagnostic.set_json_pointer(ToUtf8(place.json_pointer));
  diagnostic.set_line(place.line);
  diagnostic.set_column(place.column);
  diagnostic.set_message(ToUtf8(std::move(message)));
  diagnostic.set_suggestion(ToUtf8(std::move(suggestion)));
  diagnostic.set_file(ToUtf8(place.file));
}

}  // namespace autotp::config
