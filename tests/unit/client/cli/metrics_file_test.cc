// Goal: the metrics file reads as one run, whatever was stopped and resumed.
// Method: real files.
#include "client/cli/metrics_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <sstream>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/support/subprocess.h"
#include "tests/support/temp_dir.h"

namespace autotp::cli {
namespace {

v1::StepMetrics Step(int64_t step, double loss) {
  v1::StepMetrics metrics;
  metrics.set_step(step);
  metrics.set_loss(loss);
  return metrics;
}

std::vector<std::pair<int64_t, double>> Read(const std::string& path) {
  std::vector<std::pair<int64_t, double>> steps;
  std::istringstream lines(testing::ReadFileOrEmpty(path));
  for (std::string line; std::getline(lines, line);) {
    const auto object = nlohmann::json::parse(line);
    steps.emplace_back(object["step"], object["loss"]);
  }
  return steps;
}

using Steps = std::vector<std::pair<int64_t, double>>;

TEST(MetricsFileTest, KeepsEveryDigit) {
  const double loss = 5.8896598815917969 + 1e-15;
  EXPECT_EQ(nlohmann::json::parse(MetricsLine(Step(1, loss)))["loss"], loss);
}

TEST(MetricsFileTest, SaysScaleSkippedStepsAndEvaluationWhereThereAreSuch) {
  v1::StepMetrics step = Step(7, 1.5);
  EXPECT_EQ(nlohmann::json::parse(MetricsLine(step)).size(), 6u);
  step.set_grad_norm(std::numeric_limits<double>::infinity());
  step.set_loss_scale(4096);
  step.set_skipped(true);
  step.mutable_evaluation()->set_loss(2);
  step.mutable_evaluation()->set_tokens(31);
  const auto line = nlohmann::json::parse(MetricsLine(step));
  EXPECT_TRUE(line["grad_norm"].is_null());
  EXPECT_EQ(line["loss_scale"], 4096);
  EXPECT_EQ(line["skipped"], true);
  EXPECT_EQ(line["evaluation"]["loss"], 2);
  EXPECT_EQ(line["evaluation"]["perplexity"], std::exp(2.0));
  EXPECT_EQ(line["evaluation"]["tokens"], 31);
}

TEST(MetricsFileTest, AStepThatComesAgainReplacesItAndWhatFollowed) {
  testing::TempDir folder;
  const std::string path = folder / "metrics.jsonl";
  auto file = MetricsFile::Open(path, /*keep=*/false);
  ASSERT_TRUE(file.ok()) << file.status();
  for (int step = 1; step <= 4; ++step)
    ASSERT_TRUE(file->Add(Step(step, 1)).ok());
  ASSERT_TRUE(file->Add(Step(3, 2)).ok());
  ASSERT_TRUE(file->Add(Step(4, 2)).ok());
  EXPECT_EQ(Read(path), (Steps{{1, 1}, {2, 1}, {3, 2}, {4, 2}}));
}

TEST(MetricsFileTest, AResumedRunGoesOnInTheFile) {
  testing::TempDir folder;
  const std::string path = folder / "metrics.jsonl";
  for (int run = 0; run < 2; ++run) {
    auto file = MetricsFile::Open(path, /*keep=*/run > 0);
    ASSERT_TRUE(file.ok()) << file.status();
    // The second run resumes from a checkpoint after step 2.
    for (int step = 1 + 2 * run; step <= 3 + run; ++step)
      ASSERT_TRUE(file->Add(Step(step, run)).ok());
  }
  EXPECT_EQ(Read(path), (Steps{{1, 0}, {2, 0}, {3, 1}, {4, 1}}));
}

TEST(MetricsFileTest, AnUnwritablePathIsAnError) {
  EXPECT_FALSE(MetricsFile::Open("/proc/none/metrics", false).ok());
}

}  // namespace
}  // namespace autotp::cli
