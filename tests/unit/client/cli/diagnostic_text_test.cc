// Goal: a finding reads as a compiler's: place, message, line, caret, help.
// Method: exact text.
#include "client/cli/diagnostic_text.h"

#include <gtest/gtest.h>

namespace autotp::cli {
namespace {

v1::Diagnostic Finding(int line, int column) {
  v1::Diagnostic diagnostic;
  diagnostic.set_severity(v1::Diagnostic::SEVERITY_ERROR);
  diagnostic.set_reason("UNKNOWN_KEY");
  diagnostic.set_file("ds.json");
  diagnostic.set_line(line);
  diagnostic.set_column(column);
  diagnostic.set_message("unknown key \"stge\"");
  diagnostic.set_suggestion("write \"stage\"");
  return diagnostic;
}

TEST(DiagnosticTextTest, ShowsTheLineWithACaret) {
  EXPECT_EQ(DiagnosticText(Finding(2, 3), "{\n  \"stge\": 1\n}\n"),
            "ds.json:2:3: error: unknown key \"stge\" [UNKNOWN_KEY]\n"
            "      \"stge\": 1\n"
            "      ^\n"
            "    help: write \"stage\"\n");
}

TEST(DiagnosticTextTest, KeepsTabsSoThatTheCaretAligns) {
  EXPECT_NE(DiagnosticText(Finding(1, 2), "\t\"stge\": 1")
                .find("    \t\"stge\": 1\n    \t^\n"),
            std::string::npos);
}

TEST(DiagnosticTextTest, ALineBeyondTheTextIsLeftOut) {
  EXPECT_EQ(DiagnosticText(Finding(9, 1), "{}"),
            "ds.json:9:1: error: unknown key \"stge\" [UNKNOWN_KEY]\n"
            "    help: write \"stage\"\n");
}

TEST(DiagnosticTextTest, WithoutALineThereIsNoExcerpt) {
  v1::Diagnostic diagnostic = Finding(0, 0);
  diagnostic.set_severity(v1::Diagnostic::SEVERITY_NOTE);
  diagnostic.clear_suggestion();
  EXPECT_EQ(DiagnosticText(diagnostic, "{}"),
            "ds.json: note: unknown key \"stge\" [UNKNOWN_KEY]\n");
}

}  // namespace
}  // namespace autotp::cli
