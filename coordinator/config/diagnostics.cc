#include "coordinator/config/diagnostics.h"

#include <utility>

namespace autotp::config {

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

void Diagnostics::Add(v1::Diagnostic diagnostic) {
  if (diagnostic.severity() == v1::Diagnostic::SEVERITY_ERROR) ++errors_;
  all_.push_back(std::move(diagnostic));
}

void Diagnostics::Add(v1::Diagnostic::Severity severity,
                      const SourcePlace& place, absl::string_view reason,
                      std::string message, std::string suggestion) {
  v1::Diagnostic& diagnostic = all_.emplace_back();
  diagnostic.set_severity(severity);
  diagnostic.set_reason(std::string(reason));
  diagnostic.set_json_pointer(place.json_pointer);
  diagnostic.set_line(place.line);
  diagnostic.set_column(place.column);
  diagnostic.set_message(std::move(message));
  diagnostic.set_suggestion(std::move(suggestion));
  diagnostic.set_file(place.file);
}

}  // namespace autotp::config
