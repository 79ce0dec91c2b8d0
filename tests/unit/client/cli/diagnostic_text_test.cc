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
  EXPECT_EQ(DiagnosticText(Finding(2, 3), {"ds.json", "{\n  \"stge\": 1\n}\n"}),
            "ds.json:2:3: error: unknown key \"stge\" [UNKNOWN_KEY]\n"
            "      \"stge\": 1\n"
            "      ^\n"
            "    help: write \"stage\"\n");
}

TEST(DiagnosticTextTest, KeepsTabsSoThatTheCaretAligns) {
  EXPECT_NE(DiagnosticText(Finding(1, 2), {"ds.json", "\t\"stge\": 1"})
                .find("    \t\"stge\": 1\n    \t^\n"),
            std::string::npos);
}

TEST(DiagnosticTextTest, ALineBeyondTheTextIsLeftOut) {
  EXPECT_EQ(DiagnosticText(Finding(9, 1), {"ds.json", "{}"}),
            "ds.json:9:1: error: unknown key \"stge\" [UNKNOWN_KEY]\n"
            "    help: write \"stage\"\n");
}

TEST(DiagnosticTextTest, WithoutALineThereIsNoExcerpt) {
  v1::Diagnostic diagnostic = Finding(0, 0);
  diagnostic.set_severity(v1::Diagnostic::SEVERITY_NOTE);
  diagnostic.clear_suggestion();
  EXPECT_EQ(DiagnosticText(diagnostic, {"ds.json", "{}"}),
            "ds.json: note: unknown key \"stge\" [UNKNOWN_KEY]\n");
}

TEST(DiagnosticTextTest, AFindingInAnotherFileHasNoExcerpt) {
  EXPECT_EQ(DiagnosticText(Finding(1, 1), {"other.json", "{}"}),
            "ds.json:1:1: error: unknown key \"stge\" [UNKNOWN_KEY]\n"
            "    help: write \"stage\"\n");
}

TEST(DiagnosticTextTest, TheCaretCountsCharacters) {
  EXPECT_NE(DiagnosticText(Finding(1, 4), {"ds.json", "\xE2\x82\xAC\xC3\xA9 x"})
                .find("    \xE2\x82\xAC\xC3\xA9 x\n       ^\n"),
            std::string::npos);
}

TEST(DiagnosticTextTest, LongLinesAreCutAroundTheCaret) {
  const std::string text = std::string(500, 'a') + "X" + std::string(500, 'b');
  const std::string shown = DiagnosticText(Finding(1, 501), {"ds.json", text});
  const size_t line = shown.find("    a");
  const size_t caret = shown.find('^');
  ASSERT_NE(line, std::string::npos);
  ASSERT_NE(caret, std::string::npos);
  EXPECT_EQ(shown.find('X') - line, caret - shown.rfind('\n', caret) - 1);
  EXPECT_LT(shown.size(), 400u);
}

TEST(DiagnosticTextTest, ColoursOnlyIfAsked) {
  EXPECT_EQ(DiagnosticText(Finding(1, 1), {"ds.json", "{}"}).find('\033'),
            std::string::npos);
  EXPECT_NE(DiagnosticText(Finding(1, 1), {"ds.json", "{}"}, /*colour=*/true)
                .find("\033[1;31merror: \033[0m"),
            std::string::npos);
}

TEST(DiagnosticTextTest, Counts) {
  google::protobuf::RepeatedPtrField<v1::Diagnostic> diagnostics;
  EXPECT_EQ(CountsText(diagnostics), "");
  *diagnostics.Add() = Finding(1, 1);
  *diagnostics.Add() = Finding(1, 1);
  diagnostics.Add()->set_severity(v1::Diagnostic::SEVERITY_NOTE);
  EXPECT_EQ(CountsText(diagnostics), "2 errors, 1 note");
}

}  // namespace
}  // namespace autotp::cli
