// config_testing.h -- short ways to read a config and look at what it said.
#ifndef AUTOTP_TESTS_UNIT_COORDINATOR_CONFIG_CONFIG_TESTING_H_
#define AUTOTP_TESTS_UNIT_COORDINATOR_CONFIG_CONFIG_TESTING_H_

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "coordinator/config/read_config.h"

namespace autotp::config {

struct Reading {
  ConfigResult result;
  Diagnostics diagnostics;
};

inline Reading Read(const std::string& text, int64_t world_size = 1) {
  Reading reading;
  reading.result =
      ReadConfig(text, "ds.json", {world_size}, &reading.diagnostics);
  return reading;
}

// "REASON pointer line:column" of every diagnostic of that severity.
inline std::vector<std::string> Found(
    const Diagnostics& diagnostics,
    v1::Diagnostic::Severity severity = v1::Diagnostic::SEVERITY_ERROR) {
  std::vector<std::string> found;
  for (const v1::Diagnostic& diagnostic : diagnostics.all()) {
    if (diagnostic.severity() != severity) continue;
    found.push_back(absl::StrCat(diagnostic.reason(), " ",
                                 diagnostic.json_pointer(), " ",
                                 diagnostic.line(), ":", diagnostic.column()));
  }
  return found;
}

// The first diagnostic with that reason; an empty one if there is none.
inline v1::Diagnostic First(const Diagnostics& diagnostics,
                            const std::string& reason) {
  for (const v1::Diagnostic& diagnostic : diagnostics.all()) {
    if (diagnostic.reason() == reason) return diagnostic;
  }
  return {};
}

}  // namespace autotp::config

#endif  // AUTOTP_TESTS_UNIT_COORDINATOR_CONFIG_CONFIG_TESTING_H_
