// Goal: a step whose gradient overflows is skipped on all ranks alike, with
// DeepSpeed's loss scale and the schedule held, also across a resume; 16-bit
// gradients train as well as their type allows.
// Method: whole jobs, each rank a thread; a first scale so large that the
// first steps must overflow.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"
#include "tests/support/trace.h"
#include "tests/unit/worker/trainer/rank_threads.h"
#include "worker/optimizer/loss_scaler.h"
#include "worker/optimizer/schedule.h"
#include "worker/trainer/failure_reason.h"

namespace autotp::testing {
namespace {

using ::testing::HasSubstr;

constexpr Layout kOne = {.micro_batch = 2};
constexpr Layout kBoth = {.tensor_parallel = 2,
                          .data_parallel = 2,
                          .zero_stage = 1,
                          .micro_batch = 2};

std::vector<v1::TrainerTask> Tasks(const std::string& model,
                                   const Layout& layout,
                                   const std::string& output) {
  absl::StatusOr<std::vector<v1::TrainerTask>> tasks =
      PlanTasks(TraceJob(LoadTrace(model), layout, output));
  EXPECT_TRUE(tasks.ok()) << tasks.status();
  return tasks.ok() ? *std::move(tasks) : std::vector<v1::TrainerTask>{};
}

constexpr double kFirstScale = 0x1p25;

// fp16 tasks whose first scale is far too large.
std::vector<v1::TrainerTask> OverflowingTasks(const Layout& layout,
                                              const std::string& output) {
  std::vector<v1::TrainerTask> tasks = Tasks("llama_fp16", layout, output);
  for (v1::TrainerTask& task : tasks) {
    task.set_max_steps(14);
    v1::LossScaling& scaling = *task.mutable_config()->mutable_loss_scaling();
    scaling.set_initial(kFirstScale);
    scaling.set_window(3);
  }
  return tasks;
}

std::string Bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Overflow, IsSkippedAlikeAndHoldsTheSchedule) {
  TempDir folder;
  const std::vector<v1::TrainerTask> one =
      OverflowingTasks(kOne, folder / "one");
  const WorldResult alone = RunWorld(one, {folder / "one/c", {}});
  ASSERT_TRUE(alone.FirstError().ok()) << alone.FirstError();
  ASSERT_EQ(alone.steps.size(), 14u);

  // The scaler, fed with what happened, says the scale of every step.
  const v1::TrainingConfig& config = one[0].config();
  optimizer::LossScaler scaler(config.loss_scaling(), {});
  int64_t applied = 0;
  int64_t skipped = 0;
  for (const v1::StepMetrics& step : alone.steps) {
    EXPECT_EQ(step.loss_scale(), scaler.scale()) << "step " << step.step();
    EXPECT_EQ(step.skipped(), !std::isfinite(step.grad_norm()));
    EXPECT_DOUBLE_EQ(step.learning_rate(),
                     optimizer::LearningRate(config.schedule(),
                                             config.optimizer().learning_rate(),
                                             applied + 1));
    ++(step.skipped() ? skipped : applied);
    ASSERT_TRUE(scaler.Update(step.skipped()).ok());
  }
  EXPECT_TRUE(alone.steps[0].skipped());
  EXPECT_GE(skipped, 4);
  EXPECT_GE(applied, 4);

  for (const int stage : {0, 1, 2}) {
    Layout layout = kBoth;
    layout.zero_stage = stage;
    const std::string output = folder / layout.Describe();
    const WorldResult both = RunWorld(OverflowingTasks(layout, output),
                                      {output + "/checkpoints", {}});
    ASSERT_TRUE(both.FirstError().ok()) << both.FirstError();
    ASSERT_EQ(both.steps.size(), alone.steps.size());
    for (size_t i = 0; i < both.steps.size(); ++i) {
      const v1::StepMetrics& want = alone.steps[i];
      const v1::StepMetrics& got = both.steps[i];
      EXPECT_EQ(got.skipped(), want.skipped()) << "step " << want.step();
      EXPECT_EQ(got.loss_scale(), want.loss_scale()) << "step " << want.step();
      EXPECT_EQ(got.learning_rate(), want.learning_rate());
      EXPECT_NEAR(got.loss(), want.loss(), 5e-4 * want.loss())
          << "ZeRO " << stage << ", step " << want.step();
    }
  }
}

TEST(Overflow, ResumesInItsMiddleToTheBit) {
  TempDir folder;
  const WorldResult whole = RunWorld(OverflowingTasks(kBoth, folder / "whole"),
                                     {folder / "whole/c", {}});
  ASSERT_TRUE(whole.FirstError().ok()) << whole.FirstError();
  ASSERT_TRUE(whole.steps[2].skipped());
  ASSERT_TRUE(whole.steps[3].skipped());
  const WorldResult first =
      RunWorld(OverflowingTasks(kBoth, folder / "first"),
               {folder / "first/c", [](int, int64_t step) -> trainer::Wishes {
                  return {.stop_after_step = step >= 3};
                }});
  ASSERT_EQ(first.committed.size(), 1u);
  std::vector<v1::TrainerTask> again =
      OverflowingTasks(kBoth, folder / "second");
  for (v1::TrainerTask& task : again)
    task.set_resume_manifest(first.committed[0]);
  const WorldResult second = RunWorld(again, {folder / "second/c", {}});
  ASSERT_TRUE(second.FirstError().ok()) << second.FirstError();
  ASSERT_EQ(second.steps.size(), 11u);
  for (const v1::StepMetrics& step : second.steps) {
    const v1::StepMetrics& want = whole.steps[step.step() - 1];
    EXPECT_EQ(step.loss(), want.loss()) << "step " << step.step();
    EXPECT_EQ(step.loss_scale(), want.loss_scale()) << "step " << step.step();
    EXPECT_EQ(step.skipped(), want.skipped()) << "step " << step.step();
    EXPECT_EQ(step.learning_rate(), want.learning_rate());
  }
  EXPECT_EQ(Bytes(folder / "whole/model/model.safetensors"),
            Bytes(folder / "second/model/model.safetensors"));
}

TEST(Overflow, AtTheMinimumEndsTheJob) {
  TempDir folder;
  std::vector<v1::TrainerTask> tasks = OverflowingTasks(kBoth, folder / "out");
  for (v1::TrainerTask& task : tasks) {
    task.mutable_config()->mutable_loss_scaling()->set_minimum(kFirstScale / 2);
  }
  const WorldResult result = RunWorld(tasks, {folder / "c", {}});
  for (const auto& rank : result.ranks) {
    ASSERT_FALSE(rank.ok());
    EXPECT_EQ(trainer::ReasonOf(rank.status()), v1::FAILURE_REASON_NUMERIC);
    // One is borne, one halves, the next finds the minimum.
    EXPECT_THAT(std::string(rank.status().message()),
                HasSubstr("step 3: the gradient overflows at the smallest"));
  }
}

TEST(Overflow, OfAFixedScaleIsSkippedForEver) {
  TempDir folder;
  std::vector<v1::TrainerTask> tasks = OverflowingTasks(kOne, folder / "out");
  tasks[0].set_max_steps(3);
  tasks[0].mutable_config()->mutable_loss_scaling()->set_dynamic(false);
  const WorldResult result = RunWorld(tasks, {folder / "c", {}});
  ASSERT_TRUE(result.FirstError().ok()) << result.FirstError();
  for (const v1::StepMetrics& step : result.steps) {
    EXPECT_TRUE(step.skipped());
    EXPECT_EQ(step.loss_scale(), kFirstScale);
  }
}

// A rate that breaks the weights, so that every later gradient is not finite.
TEST(NonFinite, InBf16IsSkippedOrEndsTheJobAsConfigured) {
  for (const bool skip : {true, false}) {
    TempDir folder;
    std::vector<v1::TrainerTask> tasks =
        Tasks("llama_bf16", kBoth, folder / "out");
    for (v1::TrainerTask& task : tasks) {
      EXPECT_TRUE(task.config().skip_non_finite());
      task.set_max_steps(4);
      task.mutable_config()->set_skip_non_finite(skip);
      task.mutable_config()->mutable_schedule()->Clear();
      task.mutable_config()->mutable_optimizer()->set_learning_rate(1e38);
    }
    const WorldResult result = RunWorld(tasks, {folder / "c", {}});
    if (!skip) {
      EXPECT_EQ(trainer::ReasonOf(result.FirstError()),
                v1::FAILURE_REASON_NUMERIC);
      continue;
    }
    ASSERT_TRUE(result.FirstError().ok()) << result.FirstError();
    ASSERT_EQ(result.steps.size(), 4u);
    EXPECT_FALSE(result.steps[0].skipped());
    for (int i = 1; i < 4; ++i) EXPECT_TRUE(result.steps[i].skipped());
  }
}

struct GradientTypes {
  const char* model;
  v1::DataType kept;
  v1::DataType sent;
  double loss;  // tolerances
  double norm;
};

class GradientTypesTest : public ::testing::TestWithParam<GradientTypes> {};

// Rounding a gradient's elements to nearest moves a norm over many of them by
// far less than one of them: the tolerances of the model's type hold.
TEST_P(GradientTypesTest, FollowTheTrace) {
  const GradientTypes& types = GetParam();
  const Trace trace = LoadTrace(types.model);
  for (const int stage : {0, 1, 2}) {
    TempDir folder;
    Layout layout = kBoth;
    layout.zero_stage = stage;
    std::vector<v1::TrainerTask> tasks =
        Tasks(types.model, layout, folder / "out");
    for (v1::TrainerTask& task : tasks) {
      task.mutable_config()->set_gradient_dtype(types.kept);
      task.mutable_config()->set_communication_dtype(types.sent);
    }
    const WorldResult result = RunWorld(tasks, {folder / "c", {}});
    ASSERT_TRUE(result.FirstError().ok()) << result.FirstError();
    ASSERT_EQ(result.steps.size(), trace.steps.size());
    for (size_t i = 0; i < trace.steps.size(); ++i) {
      const TraceStep& want = trace.steps[i];
      EXPECT_NEAR(result.steps[i].loss(), want.loss, types.loss * want.loss)
          << "ZeRO " << stage << ", step " << i + 1;
      EXPECT_NEAR(result.steps[i].grad_norm(), want.grad_norm,
                  types.norm * want.grad_norm)
          << "ZeRO " << stage << ", step " << i + 1;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Types, GradientTypesTest,
    ::testing::Values(GradientTypes{"llama_bf16", v1::DATA_TYPE_BFLOAT16,
                                    v1::DATA_TYPE_BFLOAT16, 4e-3, 1e-2},
                      GradientTypes{"llama_bf16", v1::DATA_TYPE_FLOAT32,
                                    v1::DATA_TYPE_BFLOAT16, 4e-3, 1e-2},
                      GradientTypes{"llama_fp16", v1::DATA_TYPE_FLOAT16,
                                    v1::DATA_TYPE_FLOAT16, 5e-4, 1.25e-3}));

}  // namespace
}  // namespace autotp::testing
