// `autotp import` hands its arguments to the Python package's autotp-import.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include "tests/integration/autotp_command.h"

namespace autotp::testing {
namespace {

using ::testing::HasSubstr;

// Runs it where programs are looked for in `path` alone.
ExitStatus Import(const std::string& path) {
  const std::string before = std::getenv("PATH");
  setenv("PATH", path.c_str(), 1);
  Subprocess process({ProgramPath("autotp"), "import", "--model", "./m",
                      "--help", "two words"});
  setenv("PATH", before.c_str(), 1);
  const absl::StatusOr<ExitStatus> status = process.Wait(kCommandTimeout);
  EXPECT_TRUE(status.ok()) << status.status();
  return status.value_or(ExitStatus{});
}

TEST(ImportCommandTest, BecomesTheImporterWithItsFlags) {
  const TempDir folder;
  const std::string importer = folder / "autotp-import";
  std::ofstream(importer)
      << "#!/bin/sh\nfor a; do echo \"[$a]\"; done\nexit 7\n";
  chmod(importer.c_str(), 0755);
  const ExitStatus status = Import(folder.path());
  EXPECT_EQ(status.code, 7);
  EXPECT_EQ(status.output, "[--model]\n[./m]\n[--help]\n[two words]\n");
}

TEST(ImportCommandTest, SaysHowToGetTheImporter) {
  const TempDir folder;
  const ExitStatus status = Import(folder.path());
  EXPECT_EQ(status.code, 1);
  EXPECT_THAT(status.errors,
              HasSubstr("pip install './client/python[import]'"));
}

}  // namespace
}  // namespace autotp::testing
