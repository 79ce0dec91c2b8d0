// Goal: packed documents train as Transformers trains them with positions that
// restart and a block-diagonal mask, and as if each document stood alone.
// Method: traces of tests/golden/packed at several layouts; one step on
// documents of one sequence against one step on each of them, every family's
// way of knowing positions among them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "tests/support/subprocess.h"
#include "tests/support/temp_dir.h"
#include "tests/support/trace.h"
#include "tests/unit/worker/trainer/rank_threads.h"

namespace autotp::testing {
namespace {

using nlohmann::json;

double Relative(double got, double want) {
  return std::abs(got - want) / std::max(1e-12, std::abs(want));
}

WorldResult RunJob(const v1::JobSpec& spec, const std::string& checkpoints) {
  const auto tasks = PlanTasks(spec);
  EXPECT_TRUE(tasks.ok()) << tasks.status();
  if (!tasks.ok()) return {};
  WorldResult result = RunWorld(*tasks, {checkpoints, {}});
  EXPECT_TRUE(result.FirstError().ok()) << result.FirstError();
  return result;
}

class PackedTraceTest : public ::testing::TestWithParam<const char*> {};

TEST_P(PackedTraceTest, EveryLayoutFollowsTheTrace) {
  const json trace = json::parse(ReadFileOrEmpty(
      SourcePath(absl::StrCat("tests/golden/packed/", GetParam(), ".json"))));
  TempDir folder;
  const int micro = trace.at("micro_batch");
  for (const Layout& layout :
       {Layout{.micro_batch = micro},
        Layout{.tensor_parallel = 2, .micro_batch = micro},
        Layout{.data_parallel = 2, .zero_stage = 1, .micro_batch = micro},
        Layout{.tensor_parallel = 2,
        .data_parallel = 2,
        .zero_stage = 2,
        .micro_batch = micro}}) {
    SCOPED_TRACE(layout.Describe());
    v1::JobSpec spec =
        TraceJob(LoadTrace(GetParam()), layout, folder / layout.Describe());
    spec.mutable_data()->set_pack_documents(true);
    spec.mutable_data()->set_separator(trace.at("separator"));
    const WorldResult result =
        RunJob(spec, folder / absl::StrCat("of ", layout.Describe()));
    ASSERT_EQ(result.steps.size(), trace.at("steps").size());
    for (const v1::StepMetrics& step : result.steps) {
      const json& want = trace.at("steps")[step.step() - 1];
      EXPECT_LE(Relative(step.loss(), want.at("loss")), 1e-5)
          << "loss of step " << step.step() << ": " << step.loss();
      EXPECT_LE(Relative(step.grad_norm(), want.at("grad_norm")), 1e-5)
          << "gradient norm of step " << step.step() << ": "
          << step.grad_norm();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, PackedTraceTest,
                         ::testing::Values("llama", "gpt2"),
                         [](const auto& tested) { return tested.param; });

// One step of `model` on one sequence; its loss.
class AloneTest : public ::testing::TestWithParam<const char*> {
 protected:
  double LossOf(const std::string& name, const std::string& lines,
                int64_t sequence_length, bool packed) {
    v1::JobSpec spec = TraceJob(LoadTrace(GetParam()), {}, folder_ / name);
    spec.set_config_json(
        R"({"train_batch_size": 1, "optimizer": {"type": "Adam"}})");
    spec.mutable_run()->set_max_steps(1);
    spec.mutable_run()->set_sequence_length(sequence_length);
    const std::string path = folder_ / absl::StrCat(name, ".jsonl");
    std::ofstream(path) << lines;
    spec.mutable_data()->set_path(path);
    spec.mutable_data()->set_pack_documents(packed);
    const WorldResult result = RunJob(spec, folder_ / absl::StrCat(name, ".c"));
    return result.steps.empty() ? NAN : result.steps[0].loss();
  }

  TempDir folder_;
};

TEST_P(AloneTest, PackedDocumentsLoseWhatEachLosesAlone) {
  // 32 tokens: documents that are longer and shorter than a window.
  std::string all;
  double sum = 0;
  int predicted = 0;
  int64_t token = 5;
  for (const int64_t length : {17, 2, 9, 4}) {
    std::vector<int64_t> tokens;
    for (int64_t i = 0; i < length; ++i)
      tokens.push_back(token = (token * 37 + 11) % 250 + 6);
    const std::string line =
        absl::StrCat("{\"input_ids\": [", absl::StrJoin(tokens, ","), "]}\n");
    all += line;
    sum += static_cast<double>(length - 1) *
           LossOf(absl::StrCat("alone", length), line, length, false);
    predicted += static_cast<int>(length) - 1;
  }
  const double packed = LossOf("packed", all, 32, true);
  EXPECT_LE(Relative(packed, sum / predicted), 2e-6) << packed;
}

INSTANTIATE_TEST_SUITE_P(Models, AloneTest,
                         ::testing::Values("llama", "gpt2", "opt", "bloom",
                                           "falcon_rw", "gptj", "mistral",
                                           "gemma2", "deepseek_v3"),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace autotp::testing
