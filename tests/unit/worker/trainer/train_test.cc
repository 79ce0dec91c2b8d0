// Goal: the training loop gives the reference's numbers at every layout.
// Method: the planner makes the tasks, each rank is a thread with a fake host,
// groups run over real shared memory.
#include "worker/trainer/train.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/temp_dir.h"
#include "tests/support/trace.h"
#include "tests/unit/worker/trainer/rank_threads.h"
#include "worker/trainer/failure_reason.h"

namespace autotp::testing {
namespace {

struct LayoutCase {
  std::string model;
  Layout layout;
  double loss_tolerance = 1e-5;
  double norm_tolerance = 1e-5;
};

void PrintTo(const LayoutCase& c, std::ostream* out) {
  *out << c.model << ", " << c.layout.Describe();
}

double Relative(double got, double want) {
  return std::abs(got - want) / std::max(1e-12, std::abs(want));
}

class LayoutTest : public ::testing::TestWithParam<LayoutCase> {};

TEST_P(LayoutTest, FollowsTheTrace) {
  const LayoutCase& c = GetParam();
  const Trace trace = LoadTrace(c.model);
  TempDir folder;
  const absl::StatusOr<std::vector<v1::TrainerTask>> tasks =
      PlanTasks(TraceJob(trace, c.layout, folder / "out"));
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  const WorldResult result = RunWorld(*tasks, {folder / "checkpoints", {}});
  ASSERT_TRUE(result.FirstError().ok()) << result.FirstError();
  ASSERT_EQ(result.steps.size(), trace.steps.size());
  for (size_t i = 0; i < trace.steps.size(); ++i) {
    const v1::StepMetrics& step = result.steps[i];
    EXPECT_LE(Relative(step.loss(), trace.steps[i].loss), c.loss_tolerance)
        << "loss of step " << step.step() << ": " << step.loss() << " for "
        << trace.steps[i].loss;
    EXPECT_LE(Relative(step.grad_norm(), trace.steps[i].grad_norm),
              c.norm_tolerance)
        << "gradient norm of step " << step.step() << ": " << step.grad_norm()
        << " for " << trace.steps[i].grad_norm;
    EXPECT_DOUBLE_EQ(step.learning_rate(), trace.steps[i].learning_rate);
    EXPECT_EQ(step.loss_scale(), trace.steps[i].loss_scale);
    EXPECT_FALSE(step.skipped());
  }
  EXPECT_EQ(result.ranks[0]->model_path, folder / "out/model");
  EXPECT_EQ(result.committed.size(), 1u);
}

std::vector<LayoutCase> LayoutCases() {
  std::vector<LayoutCase> cases;
  constexpr std::pair<int, int> kSplits[] = {{1, 1}, {2, 1}, {1, 2}, {2, 2}};
  for (const auto& [tp, dp] : kSplits) {
    for (int stage : {0, 1, 2}) {
      if (dp == 1 && stage > 0) continue;
      for (int accumulation : {1, 2}) {
        cases.push_back({"llama",
                         {.tensor_parallel = tp,
                          .data_parallel = dp,
                          .zero_stage = stage,
                          .micro_batch = 8 / dp / accumulation}});
      }
    }
  }
  for (const char* model :
       {"llama3", "llama_bias", "mistral", "qwen2", "qwen3", "llama_masked"}) {
    cases.push_back({model, {.micro_batch = 2}});
    if (std::string(model) == "llama_masked") continue;
    cases.push_back({model,
                     {.tensor_parallel = 2,
                      .data_parallel = 2,
                      .zero_stage = 2,
                      .micro_batch = 2}});
  }
  for (const char* model : {"llama_bf16", "qwen3_bf16"}) {
    cases.push_back({model, {.micro_batch = 2}, 3e-3, 1e-2});
    cases.push_back({model,
                     {.tensor_parallel = 2,
                      .data_parallel = 2,
                      .zero_stage = 1,
                      .micro_batch = 2},
                     3e-3,
                     1e-2});
  }
  // fp16's tolerance: tests/numerics/trace_test.cc.
  cases.push_back({"llama_fp16", {.micro_batch = 2}, 5e-4, 1.25e-3});
  for (int stage : {0, 1, 2}) {
    cases.push_back({"llama_fp16",
                     {.tensor_parallel = 2,
                      .data_parallel = 2,
                      .zero_stage = stage,
                      .micro_batch = 2},
                     5e-4,
                     1.25e-3});
  }
  return cases;
}

// A job that saves and stops, and one that never did: the same numbers and
// bytes after resuming.
class ResumeTest : public ::testing::TestWithParam<LayoutCase> {
 protected:
  std::vector<v1::TrainerTask> Tasks(const std::string& name) {
    const LayoutCase& c = GetParam();
    v1::JobSpec spec = TraceJob(LoadTrace(c.model), c.layout, folder_ / name);
    absl::StatusOr<std::vector<v1::TrainerTask>> tasks = PlanTasks(spec);
    EXPECT_TRUE(tasks.ok()) << tasks.status();
    return tasks.ok() ? *std::move(tasks) : std::vector<v1::TrainerTask>{};
  }

  WorldResult Run(const std::vector<v1::TrainerTask>& tasks,
                  WorldOptions options, const std::string& name) {
    options.checkpoint_folder = folder_ / name;
    WorldResult result = RunWorld(tasks, options);
    EXPECT_TRUE(result.FirstError().ok()) << result.FirstError();
    return result;
  }

  static std::string Bytes(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    EXPECT_TRUE(in.good()) << path;
    return {std::istreambuf_iterator<char>(in), {}};
  }

  void ExpectSameEnd(const WorldResult& a, const std::string& a_name,
                     const WorldResult& b, const std::string& b_name,
                     int64_t from) {
    for (const v1::StepMetrics& step : b.steps) {
      const v1::StepMetrics& other = a.steps[step.step() - 1];
      EXPECT_GT(step.step(), from);
      EXPECT_EQ(step.loss(), other.loss()) << "step " << step.step();
      EXPECT_EQ(step.grad_norm(), other.grad_norm()) << "step " << step.step();
    }
    EXPECT_EQ(Bytes(folder_ / (a_name + "/model/model.safetensors")),
              Bytes(folder_ / (b_name + "/model/model.safetensors")));
  }

  TempDir folder_;
};

TEST_P(ResumeTest, StopsWhereOneRankSawTheWishAndGoesOn) {
  const std::vector<v1::TrainerTask> tasks = Tasks("whole");
  const WorldResult whole = Run(tasks, {}, "whole/c");
  ASSERT_EQ(whole.steps.size(), 8u);

  // Only the last rank sees the wish: all have to stop at the same step.
  const int last = static_cast<int>(tasks.size()) - 1;
  const WorldResult first =
      Run(tasks, {.wishes = [last](int rank, int64_t step) -> trainer::Wishes {
            return {.stop_after_step = rank == last && step >= 3};
          }},
          "first/c");
  ASSERT_EQ(first.committed.size(), 1u);
  for (const auto& rank : first.ranks) {
    EXPECT_TRUE(rank->stopped_early);
    EXPECT_EQ(rank->step, 3);
    EXPECT_EQ(rank->model_path, "");
  }

  std::vector<v1::TrainerTask> again = Tasks("second");
  for (v1::TrainerTask& task : again)
    task.set_resume_manifest(first.committed[0]);
  const WorldResult second = Run(again, {}, "second/c");
  ASSERT_EQ(second.steps.size(), 5u);
  ExpectSameEnd(whole, "whole", second, "second", 3);
}

TEST_P(ResumeTest, SavesEveryFewStepsAndOnWishWithoutDisturbingTraining) {
  std::vector<v1::TrainerTask> plain = Tasks("plain");
  const WorldResult whole = Run(plain, {}, "plain/c");
  std::vector<v1::TrainerTask> tasks = Tasks("saved");
  for (v1::TrainerTask& task : tasks) task.set_checkpoint_every_steps(3);
  const WorldResult saved =
      Run(tasks, {.wishes = [](int, int64_t step) -> trainer::Wishes {
            return {.checkpoint_request = step >= 4 ? 1 : 0};
          }},
          "saved/c");
  // Steps 3 and 6, the wish at 4, the end at 8.
  ASSERT_EQ(saved.committed.size(), 4u);
  ExpectSameEnd(whole, "plain", saved, "saved", 0);

  // Of a copy that was written while training went on.
  std::vector<v1::TrainerTask> again = Tasks("resumed");
  for (v1::TrainerTask& task : again)
    task.set_resume_manifest(saved.committed[1]);
  const WorldResult resumed = Run(again, {}, "resumed/c");
  ASSERT_EQ(resumed.steps.size(), 4u);
  ExpectSameEnd(whole, "plain", resumed, "resumed", 4);
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, ResumeTest,
    ::testing::Values(
        LayoutCase{"llama", {.micro_batch = 4}},
        LayoutCase{"qwen3",
                   {.tensor_parallel = 2, .data_parallel = 2, .zero_stage = 0}},
        LayoutCase{"llama",
                   {.tensor_parallel = 2, .data_parallel = 2, .zero_stage = 1}},
        LayoutCase{"llama_bf16", {.data_parallel = 2, .zero_stage = 2}},
        LayoutCase{"llama_fp16", {.tensor_parallel = 2, .zero_stage = 1}}));

TEST(Train, ResumesAtAnotherLayout) {
  const Trace trace = LoadTrace("llama");
  TempDir folder;
  const auto tasks = [&](const Layout& layout) {
    return PlanTasks(TraceJob(trace, layout, folder / "out")).value();
  };
  const WorldResult first = RunWorld(
      tasks({.tensor_parallel = 2, .data_parallel = 2, .zero_stage = 2}),
      {folder / "a", [](int, int64_t step) -> trainer::Wishes {
         return {.stop_after_step = step >= 4};
       }});
  ASSERT_TRUE(first.FirstError().ok()) << first.FirstError();
  std::vector<v1::TrainerTask> again = tasks({.micro_batch = 2});
  again[0].set_resume_manifest(first.committed.at(0));
  const WorldResult second = RunWorld(again, {folder / "b", {}});
  ASSERT_TRUE(second.FirstError().ok()) << second.FirstError();
  ASSERT_EQ(second.steps.size(), 4u);
  for (const v1::StepMetrics& step : second.steps) {
    EXPECT_LE(Relative(step.loss(), trace.steps[step.step() - 1].loss), 1e-5)
        << "step " << step.step();
  }
}

TEST(Train, LossThatIsNotFiniteFailsOnAllRanksWithAReason) {
  TempDir folder;
  const Trace trace = LoadTrace("llama");
  std::vector<v1::TrainerTask> tasks =
      PlanTasks(TraceJob(trace, {.data_parallel = 2}, folder / "out")).value();
  for (v1::TrainerTask& task : tasks) {
    task.mutable_config()->mutable_schedule()->Clear();
    task.mutable_config()->mutable_optimizer()->set_learning_rate(1e30);
  }
  const WorldResult result = RunWorld(tasks, {folder / "c", {}});
  for (const auto& rank : result.ranks) {
    ASSERT_FALSE(rank.ok());
    EXPECT_EQ(trainer::ReasonOf(rank.status()), v1::FAILURE_REASON_NUMERIC);
    EXPECT_THAT(std::string(rank.status().message()),
                ::testing::HasSubstr("no longer finite"));
  }
}

TEST(Train, MissingDataIsTheDatasFault) {
  TempDir folder;
  std::vector<v1::TrainerTask> tasks =
      PlanTasks(TraceJob(LoadTrace("llama"), {}, folder / "out")).value();
  tasks[0].mutable_data()->set_path(folder / "missing.bin");
  const WorldResult result = RunWorld(tasks, {folder / "c", {}});
  EXPECT_EQ(trainer::ReasonOf(result.FirstError()), v1::FAILURE_REASON_DATA);
}

INSTANTIATE_TEST_SUITE_P(Traces, LayoutTest, ::testing::ValuesIn(LayoutCases()),
                         [](const ::testing::TestParamInfo<LayoutCase>& param) {
                           const Layout& l = param.param.layout;
                           return absl::StrCat(
                               param.param.model, "_tp", l.tensor_parallel,
                               "_dp", l.data_parallel, "_zero", l.zero_stage,
                               "_micro", l.micro_batch);
                         });

}  // namespace
}  // namespace autotp::testing
