// Goal: a job saved at one layout goes on at any other as if it had not
// stopped (that it reads its slices only: checkpoint/restore_test.cc).
// Method: every pair of six layouts of the tiny llama, each rank a thread.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/temp_dir.h"
#include "tests/support/trace.h"
#include "tests/unit/worker/trainer/rank_threads.h"

namespace autotp::testing {
namespace {

constexpr int64_t kSavedStep = 4;

// Four micro-steps of two sequences in all of them: the same sums.
constexpr Layout kLayouts[] = {
    {.micro_batch = 2},
    {.tensor_parallel = 2, .micro_batch = 2},
    {.data_parallel = 2, .zero_stage = 1, .micro_batch = 2},
    {.data_parallel = 2, .zero_stage = 2, .micro_batch = 2},
    {.tensor_parallel = 2,
     .data_parallel = 2,
     .zero_stage = 2,
     .micro_batch = 2},
    {.tensor_parallel = 4, .micro_batch = 2},
};

std::string NameOf(const Layout& layout) {
  return absl::StrCat("tp", layout.tensor_parallel, "dp", layout.data_parallel,
                      "zero", layout.zero_stage);
}

double Relative(double got, double want) {
  return std::abs(got - want) / std::max(1e-12, std::abs(want));
}

class ReshardTest : public ::testing::TestWithParam<Layout> {
 protected:
  std::vector<v1::TrainerTask> Tasks(const Layout& layout) {
    const auto tasks =
        PlanTasks(TraceJob(LoadTrace("llama"), layout, folder_ / "out"));
    EXPECT_TRUE(tasks.ok()) << tasks.status();
    return tasks.ok() ? *tasks : std::vector<v1::TrainerTask>{};
  }
  WorldResult Run(const std::vector<v1::TrainerTask>& tasks,
                  const std::string& name) {
    WorldResult result = RunWorld(tasks, {folder_ / name, {}});
    EXPECT_TRUE(result.FirstError().ok()) << result.FirstError();
    return result;
  }

  TempDir folder_;
};

TEST_P(ReshardTest, GoesOnAtEveryOtherLayout) {
  std::vector<v1::TrainerTask> tasks = Tasks(GetParam());
  for (v1::TrainerTask& task : tasks)
    task.set_checkpoint_every_steps(kSavedStep);
  const WorldResult whole = Run(tasks, "saved");
  ASSERT_EQ(whole.steps.size(), 8u);
  for (const Layout& layout : kLayouts) {
    SCOPED_TRACE(layout.Describe());
    std::vector<v1::TrainerTask> again = Tasks(layout);
    for (v1::TrainerTask& task : again)
      task.set_resume_manifest(whole.committed.at(0));
    const WorldResult resumed = Run(again, NameOf(layout));
    ASSERT_EQ(resumed.steps.size(), whole.steps.size() - kSavedStep);
    const bool same = NameOf(layout) == NameOf(GetParam());
    for (const v1::StepMetrics& step : resumed.steps) {
      const v1::StepMetrics& other = whole.steps[step.step() - 1];
      EXPECT_LE(Relative(step.loss(), other.loss()), same ? 0 : 1e-5)
          << "step " << step.step();
      EXPECT_LE(Relative(step.grad_norm(), other.grad_norm()), same ? 0 : 1e-5)
          << "step " << step.step();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, ReshardTest, ::testing::ValuesIn(kLayouts),
                         [](const auto& tested) {
                           return NameOf(tested.param);
                         });

}  // namespace
}  // namespace autotp::testing
