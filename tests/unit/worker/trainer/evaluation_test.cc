// Goal: an evaluation is the mean loss per held-out token, at every layout;
// training ends at the target loss, on all ranks at the same step.
// Method: with a rate of 0 the steps of training, one sequence each, say the
// loss of every sequence: what an evaluation must add up to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tests/support/subprocess.h"
#include "tests/support/temp_dir.h"
#include "tests/support/trace.h"
#include "tests/unit/worker/trainer/rank_threads.h"

namespace autotp::testing {
namespace {

constexpr int64_t kSequences = 7;  // fills no micro-batch of 2 x 2 ranks

std::vector<v1::TrainerTask> Plan(const v1::JobSpec& spec) {
  absl::StatusOr<std::vector<v1::TrainerTask>> tasks = PlanTasks(spec);
  EXPECT_TRUE(tasks.ok()) << tasks.status();
  return tasks.ok() ? *std::move(tasks) : std::vector<v1::TrainerTask>{};
}

void Freeze(std::vector<v1::TrainerTask>& tasks) {
  for (v1::TrainerTask& task : tasks) {
    task.mutable_config()->mutable_schedule()->Clear();
    task.mutable_config()->mutable_optimizer()->set_learning_rate(0);
  }
}

// Labels of each line that count: of the first there is no earlier token.
std::vector<double> CountedTokens(const std::string& path) {
  std::vector<double> counts;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const nlohmann::json labels = nlohmann::json::parse(line).at("labels");
    double count = 0;
    for (size_t i = 1; i < labels.size(); ++i) count += labels[i] != -100;
    counts.push_back(count);
  }
  return counts;
}

struct Expected {
  double loss = 0;
  double tokens = 0;
};

// By the losses of training steps that change nothing.
Expected LossOfSequences(const Trace& trace, const std::string& folder) {
  v1::JobSpec spec = TraceJob(trace, {.micro_batch = 1}, folder);
  nlohmann::json config = nlohmann::json::parse(spec.config_json());
  config["train_batch_size"] = 1;
  spec.set_config_json(config.dump());
  spec.mutable_run()->set_max_steps(kSequences);
  std::vector<v1::TrainerTask> tasks = Plan(spec);
  Freeze(tasks);
  const WorldResult result = RunWorld(tasks, {folder, {}});
  EXPECT_TRUE(result.FirstError().ok()) << result.FirstError();
  const std::vector<double> counts = CountedTokens(trace.data);
  Expected expected;
  for (const v1::StepMetrics& step : result.steps) {
    expected.loss += step.loss() * counts[step.step() - 1];
    expected.tokens += counts[step.step() - 1];
  }
  expected.loss /= expected.tokens;
  return expected;
}

TEST(Evaluation, IsTheMeanLossOfTheTokensThatCount) {
  const Trace trace = LoadTrace("llama_masked");
  TempDir folder;
  const Expected want = LossOfSequences(trace, folder / "each");
  ASSERT_GT(want.tokens, 0);
  for (const Layout& layout :
       {Layout{.micro_batch = 8}, Layout{.tensor_parallel = 2},
        Layout{.data_parallel = 2, .zero_stage = 2},
        Layout{.tensor_parallel = 2, .data_parallel = 2, .zero_stage = 1}}) {
    SCOPED_TRACE(layout.Describe());
    const std::string output = folder / layout.Describe();
    v1::JobSpec spec = TraceJob(trace, layout, output);
    spec.mutable_run()->set_max_steps(3);
    v1::EvaluationSettings& settings =
        *spec.mutable_run()->mutable_evaluation();
    settings.mutable_data()->set_path(trace.data);
    settings.set_every_steps(2);
    settings.set_max_sequences(kSequences);
    std::vector<v1::TrainerTask> tasks = Plan(spec);
    Freeze(tasks);
    const WorldResult result = RunWorld(tasks, {output + "/checkpoints", {}});
    ASSERT_TRUE(result.FirstError().ok()) << result.FirstError();
    ASSERT_EQ(result.steps.size(), 3u);
    EXPECT_FALSE(result.steps[0].has_evaluation());
    for (const int i : {1, 2}) {  // what is due, and the last
      ASSERT_TRUE(result.steps[i].has_evaluation());
      const v1::EvaluationResult& got = result.steps[i].evaluation();
      EXPECT_NEAR(got.loss(), want.loss, 5e-6 * want.loss);
      EXPECT_EQ(static_cast<double>(got.tokens()), want.tokens);
    }
  }
}

// Rows of columns have no label that says that a row does not count.
class ColumnsEvaluation : public ::testing::Test {
 protected:
  ColumnsEvaluation() {
    std::ifstream file(SourcePath(kFolder + "/data.jsonl"));
    for (std::string line; std::getline(file, line);) rows_.push_back(line);
  }

  // The evaluation of these rows, before any step counts.
  v1::EvaluationResult Evaluate(const std::vector<int>& rows,
                                const Layout& layout) {
    const TempDir folder;
    const std::string data = folder / "held_out.jsonl";
    std::ofstream file(data);
    for (const int row : rows) file << rows_.at(row) << "\n";
    file.close();
    v1::JobSpec spec;
    spec.set_config_json(absl::StrCat(
        R"({"train_micro_batch_size_per_gpu": 4, "optimizer":)"
        R"( {"type": "AdamW", "params": {"lr": 0}}, "tensor_parallel":)"
        R"( {"autotp_size": )",
        layout.tensor_parallel, "}}"));
    spec.mutable_model()->set_path(SourcePath(kFolder));
    spec.mutable_model()->set_initialization(
        v1::ModelSource::INITIALIZATION_PRETRAINED);
    spec.mutable_data()->set_path(SourcePath(kFolder + "/data.jsonl"));
    spec.mutable_run()->set_max_steps(1);
    spec.mutable_run()->set_sequence_length(8);
    spec.mutable_run()->set_output_path(folder / "out");
    spec.mutable_run()->mutable_evaluation()->mutable_data()->set_path(data);
    spec.set_world_size(layout.tensor_parallel * layout.data_parallel);
    std::vector<v1::TrainerTask> tasks = Plan(spec);
    Freeze(tasks);
    const WorldResult result = RunWorld(tasks, {folder / "checkpoints", {}});
    EXPECT_TRUE(result.FirstError().ok()) << result.FirstError();
    if (result.steps.empty()) return {};
    EXPECT_TRUE(result.steps[0].has_evaluation());
    return result.steps[0].evaluation();
  }

  const std::string kFolder = "tests/golden/imported/classifier";
  std::vector<std::string> rows_;
};

TEST_F(ColumnsEvaluation, CountsTheRowsOfAMicroBatchThatIsNotFull) {
  const std::vector<int> rows = {3, 1, 4, 5, 9, 2};  // a micro-batch and a half
  double want = 0;
  for (const int row : rows) {
    const v1::EvaluationResult alone =
        Evaluate({row, row, row, row}, {.micro_batch = 4});
    want += alone.loss() / static_cast<double>(rows.size());
  }
  ASSERT_GT(want, 0);
  for (const Layout& layout :
       {Layout{}, Layout{.tensor_parallel = 2}, Layout{.data_parallel = 2}}) {
    SCOPED_TRACE(layout.Describe());
    const v1::EvaluationResult got = Evaluate(rows, layout);
    EXPECT_NEAR(got.loss(), want, 1e-5 * want);
    EXPECT_EQ(got.tokens(), 6);
  }
}

// Training with evaluations is training without.
TEST(Evaluation, LeavesTrainingAsItIs) {
  const Trace trace = LoadTrace("llama");
  TempDir folder;
  v1::JobSpec spec = TraceJob(
      trace, {.tensor_parallel = 2, .data_parallel = 2, .zero_stage = 2},
      folder / "out");
  const WorldResult plain = RunWorld(Plan(spec), {folder / "a", {}});
  v1::EvaluationSettings& settings = *spec.mutable_run()->mutable_evaluation();
  settings.mutable_data()->set_path(trace.data);
  settings.set_every_steps(4);
  const WorldResult evaluated = RunWorld(Plan(spec), {folder / "b", {}});
  ASSERT_TRUE(evaluated.FirstError().ok()) << evaluated.FirstError();
  ASSERT_EQ(plain.steps.size(), evaluated.steps.size());
  double before = 1e9;
  for (size_t i = 0; i < plain.steps.size(); ++i) {
    EXPECT_EQ(plain.steps[i].loss(), evaluated.steps[i].loss());
    EXPECT_EQ(plain.steps[i].grad_norm(), evaluated.steps[i].grad_norm());
    ASSERT_EQ(evaluated.steps[i].has_evaluation(), i % 4 == 3);
    if (i % 4 != 3) continue;
    // The whole file, 64 sequences of 32 tokens.
    EXPECT_EQ(evaluated.steps[i].evaluation().tokens(), 64 * 31);
    EXPECT_LT(evaluated.steps[i].evaluation().loss(), before);
    before = evaluated.steps[i].evaluation().loss();
  }
}

TEST(Evaluation, DataThatCannotBeReadIsTheDatasFault) {
  TempDir folder;
  std::vector<v1::TrainerTask> tasks =
      Plan(TraceJob(LoadTrace("llama"), {}, folder / "out"));
  tasks[0].mutable_evaluation()->mutable_data()->set_path(folder / "none.bin");
  const WorldResult result = RunWorld(tasks, {folder / "c", {}});
  EXPECT_THAT(std::string(result.FirstError().message()),
              ::testing::HasSubstr("evaluation data"));
}

TEST(TargetLoss, EndsAllRanksAtTheStepThatReachesIt) {
  const Trace trace = LoadTrace("llama");
  TempDir folder;
  v1::JobSpec spec =
      TraceJob(trace, {.tensor_parallel = 2, .data_parallel = 2}, folder / "o");
  // Between what step 4 and what an earlier step has.
  double lowest = 1e9;
  for (int i = 0; i < 3; ++i) lowest = std::min(lowest, trace.steps[i].loss);
  ASSERT_LT(trace.steps[3].loss, lowest);
  spec.mutable_run()->set_target_loss((trace.steps[3].loss + lowest) / 2);
  v1::EvaluationSettings& settings = *spec.mutable_run()->mutable_evaluation();
  settings.mutable_data()->set_path(trace.data);
  settings.set_max_sequences(4);
  const WorldResult result = RunWorld(Plan(spec), {folder / "c", {}});
  ASSERT_TRUE(result.FirstError().ok()) << result.FirstError();
  for (const auto& rank : result.ranks) {
    EXPECT_EQ(rank->step, 4);
    EXPECT_FALSE(rank->stopped_early);
  }
  ASSERT_EQ(result.steps.size(), 4u);
  EXPECT_TRUE(result.steps[3].has_evaluation());
  EXPECT_EQ(result.committed.size(), 1u);
  EXPECT_EQ(result.ranks[0]->model_path, folder / "o/model");
}

}  // namespace
}  // namespace autotp::testing
