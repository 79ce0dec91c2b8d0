// Goal: dropout's masks depend on the run's seed and on places in the model and
// the data, so a job with dropout has the same numbers at every layout, and
// goes on to the bit after a stop.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/worker/trainer/model_variant.h"
#include "tests/unit/worker/trainer/rank_threads.h"

namespace autotp::testing {
namespace {

const ConfigChanges& Gpt2Dropout() {
  static const auto* const changes = new ConfigChanges{
      {"attn_pdrop", 0.2}, {"embd_pdrop", 0.1}, {"resid_pdrop", 0.3}};
  return *changes;
}

WorldResult RunJob(v1::JobSpec spec, const std::string& folder, int64_t steps,
                   WorldOptions options = {}) {
  spec.mutable_run()->set_max_steps(steps);
  spec.mutable_run()->set_output_path(folder + "/out");
  const absl::StatusOr<std::vector<v1::TrainerTask>> tasks = PlanTasks(spec);
  EXPECT_TRUE(tasks.ok()) << tasks.status();
  options.checkpoint_folder = folder + "/checkpoints";
  WorldResult result = RunWorld(*tasks, options);
  EXPECT_TRUE(result.FirstError().ok()) << result.FirstError();
  return result;
}

void ExpectClose(const WorldResult& got, const WorldResult& want,
                 double tolerance, const std::string& what) {
  ASSERT_EQ(got.steps.size(), want.steps.size()) << what;
  for (size_t i = 0; i < want.steps.size(); ++i) {
    EXPECT_NEAR(got.steps[i].loss() / want.steps[i].loss(), 1, tolerance)
        << what << ", step " << i + 1;
    EXPECT_NEAR(got.steps[i].grad_norm() / want.steps[i].grad_norm(), 1,
                tolerance)
        << what << ", step " << i + 1;
  }
}

// With the same masks PyTorch has the same numbers, whole and cut.
TEST(DropoutJob, FollowsPyTorch) {
  const TempDir folder;
  const auto golden = nlohmann::json::parse(
      ReadFileOrEmpty(SourcePath("tests/golden/dropout_traces.json")));
  int models = 0;
  for (const auto& [name, trace] : golden.at("models").items()) {
    const auto changes = trace.at("config").get<ConfigChanges>();
    const auto losses = trace.at("losses").get<std::vector<double>>();
    const auto norms = trace.at("grad_norms").get<std::vector<double>>();
    // Every other model is cut. So is mixtral: whole, rounding gives one token
    // another expert in the third step, where two score alike.
    const Layout layout = {.tensor_parallel = 2 - models++ % 2};
    const std::string at = folder / name;
    const WorldResult result = RunJob(VariantJob(name, layout, changes, at), at,
                                      static_cast<int64_t>(losses.size()));
    ASSERT_EQ(result.steps.size(), losses.size()) << name;
    for (size_t i = 0; i < losses.size(); ++i) {
      EXPECT_NEAR(result.steps[i].loss() / losses[i], 1, 1e-5)
          << name << ", step " << i + 1;
      EXPECT_NEAR(result.steps[i].grad_norm() / norms[i], 1, 1e-5)
          << name << ", step " << i + 1;
    }
  }
  EXPECT_EQ(models, 18);
}

TEST(DropoutJob, HasTheSameNumbersAtEveryLayout) {
  constexpr int64_t kSteps = 4;
  const TempDir folder;
  int runs = 0;
  const auto run = [&](const char* model, const ConfigChanges& changes,
                       const Layout& layout) {
    const std::string at = folder / absl::StrCat(++runs);
    return RunJob(VariantJob(model, layout, changes, at), at, kSteps);
  };
  const WorldResult one = run("gpt2", Gpt2Dropout(), {.micro_batch = 8});
  const WorldResult without = run("gpt2", {}, {.micro_batch = 8});
  EXPECT_GT(std::abs(one.steps[0].loss() - without.steps[0].loss()), 1e-3);
  for (const Layout& layout :
       {Layout{.micro_batch = 2},
        {.tensor_parallel = 2, .micro_batch = 8},
        {.tensor_parallel = 3, .micro_batch = 4},
        {.tensor_parallel = 2, .data_parallel = 2, .zero_stage = 2}}) {
    ExpectClose(run("gpt2", Gpt2Dropout(), layout), one, 1e-5,
                layout.Describe());
  }
  // Grouped heads, rotary embeddings, fewer groups than ranks.
  const ConfigChanges llama = {{"attention_dropout", 0.25}};
  const WorldResult grouped = run("llama", llama, {.micro_batch = 8});
  for (const int ranks : {2, 3, 4}) {
    const Layout layout = {.tensor_parallel = ranks, .micro_batch = 8};
    ExpectClose(run("llama", llama, layout), grouped, 1e-5, layout.Describe());
  }
}

TEST(DropoutJob, DrawsAnewWithEachStepAndSeed) {
  const TempDir folder;
  v1::JobSpec spec =
      VariantJob("gpt2", {.micro_batch = 8}, Gpt2Dropout(), folder / "a");
  spec.mutable_data()->set_shuffle(false);
  const WorldResult first = RunJob(spec, folder / "a", 1);
  const WorldResult again = RunJob(spec, folder / "b", 1);
  EXPECT_EQ(first.steps[0].loss(), again.steps[0].loss());
  spec.mutable_run()->set_seed(2);
  const WorldResult other = RunJob(spec, folder / "c", 1);
  EXPECT_NE(first.steps[0].loss(), other.steps[0].loss());
}

TEST(DropoutJob, GoesOnToTheBitAfterAStop) {
  const TempDir folder;
  const Layout layout = {
      .tensor_parallel = 2, .data_parallel = 2, .zero_stage = 1};
  v1::JobSpec spec = VariantJob("gpt2", layout, Gpt2Dropout(), folder / "job");
  const WorldResult whole = RunJob(spec, folder / "whole", 5);
  const WorldResult stopped =
      RunJob(spec, folder / "stopped", 5,
             {.wishes = [](int, int64_t step) -> trainer::Wishes {
               return {.stop_after_step = step >= 2};
             }});
  ASSERT_EQ(stopped.committed.size(), 1u);
  spec.mutable_run()->set_output_path(folder / "resumed/out");
  std::vector<v1::TrainerTask> tasks = PlanTasks(spec).value();
  for (v1::TrainerTask& task : tasks) {
    task.set_max_steps(5);
    task.set_resume_manifest(stopped.committed[0]);
  }
  const WorldResult resumed = RunWorld(tasks, {folder / "resumed", {}});
  ASSERT_TRUE(resumed.FirstError().ok()) << resumed.FirstError();
  ASSERT_EQ(resumed.steps.size(), 3u);
  for (const v1::StepMetrics& step : resumed.steps) {
    EXPECT_EQ(step.loss(), whole.steps[step.step() - 1].loss());
    EXPECT_EQ(step.grad_norm(), whole.steps[step.step() - 1].grad_norm());
  }
}

}  // namespace
}  // namespace autotp::testing
