// Goal: every optimizer trains alike at every layout, resumes to the bit, and
// refuses another's checkpoint.
// Method: a small model's real training, the planner making the tasks and
// threads being the ranks; one rank's losses are the reference.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/subprocess.h"
#include "tests/support/temp_dir.h"
#include "tests/support/trace.h"
#include "tests/unit/worker/trainer/rank_threads.h"
#include "worker/checkpoint/safetensors_reader.h"
#include "worker/checkpoint/slice.h"

namespace autotp::testing {
namespace {

using nlohmann::json;

constexpr int kSteps = 4;

struct Case {
  std::string name;
  std::string config;  // laid over the model's own DeepSpeed JSON
  // Of the weights at the end, relative to how far they moved. Layouts add
  // fp32 numbers in another order.
  double tolerance = 1e-4;
  // Of elements that may differ by more: where a sign or a rounding by chance
  // hangs on the last bit.
  double exceptions = 0;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

std::string Optimizer(const std::string& type, const std::string& params) {
  return absl::StrCat(R"({"optimizer": {"type": ")", type, R"(", "params": )",
                      params, R"(}, "scheduler": null,
                      "zero_allow_untested_optimizer": true})");
}

// Where a gradient is next to nothing, Adam's direction is its rounding.
constexpr double kTiny = 2e-3;

std::vector<Case> Cases() {
  return {
      {"Adam", Optimizer("Adam", R"({"lr": 0.01, "weight_decay": 0.1,
                                     "adam_w_mode": false})"),
       1e-3, kTiny},
      {"Adagrad", Optimizer("Adagrad", R"({"lr": 0.01,
                               "initial_accumulator_value": 0.1})"),
       1e-3},
      {"SGD", Optimizer("SGD", R"({"lr": 0.1})")},
      {"Momentum", Optimizer("SGD", R"({"lr": 0.05, "momentum": 0.9,
                                        "nesterov": true})")},
      {"Lamb", Optimizer("Lamb", R"({"lr": 0.01, "weight_decay": 0.1})"), 1e-3,
       kTiny},
      {"Lion", Optimizer("Lion", R"({"lr": 0.001, "weight_decay": 0.1})"), 1e-3,
       5 * kTiny},
      {"Muon", Optimizer("Muon", R"({"lr": 0.02, "weight_decay": 0.1})"), 1e-2,
       kTiny},
      // Activations are bf16, so gradients differ between layouts, and a few
      // weights are rounded to the other neighbour, which is as far as they go.
      {"Half", R"({"bf16": {"enabled": true,
                            "bf16_master_weights_and_grads": true,
                            "bf16_optimizer_states": true},
                   "data_types": {"grad_accum_dtype": "fp32"}})",
       2.5, 0.01},
  };
}

class OptimizerTest : public ::testing::TestWithParam<Case> {
 protected:
  absl::StatusOr<std::vector<v1::TrainerTask>> Tasks(
      const Layout& layout, const std::string& name,
      const std::string& config = GetParam().config) {
    v1::JobSpec spec = TraceJob(LoadTrace("llama"), layout, folder_ / name);
    json document = json::parse(spec.config_json());
    const json patch = json::parse(config);
    if (patch.contains("optimizer")) document.erase("optimizer");
    document.merge_patch(patch);
    spec.set_config_json(document.dump());
    spec.mutable_run()->set_max_steps(kSteps);
    spec.mutable_run()->add_undecayed_parameters(".*norm");
    return PlanTasks(spec);
  }

  WorldResult Run(const std::vector<v1::TrainerTask>& tasks,
                  const std::string& name, int64_t stop_at = 0) {
    WorldOptions options{folder_ / (name + "/c"), {}};
    if (stop_at > 0) {
      options.wishes = [stop_at](int, int64_t step) -> trainer::Wishes {
        return {.stop_after_step = step >= stop_at};
      };
    }
    WorldResult result = RunWorld(tasks, options);
    EXPECT_TRUE(result.FirstError().ok()) << result.FirstError();
    return result;
  }

  WorldResult Train(const Layout& layout, const std::string& name) {
    const auto tasks = Tasks(layout, name);
    EXPECT_TRUE(tasks.ok()) << tasks.status();
    return tasks.ok() ? Run(*tasks, name) : WorldResult{};
  }

  using Weights = std::map<std::string, std::vector<float>>;
  Weights Read(const std::string& file) {
    Weights weights;
    auto opened = checkpoint::SafetensorsFile::Open(file);
    EXPECT_TRUE(opened.ok()) << opened.status();
    if (!opened.ok()) return weights;
    for (const auto& [name, entry] : (*opened)->header().tensors) {
      std::vector<float>& values = weights[name];
      values.resize(checkpoint::ElementCount(entry.shape));
      const absl::Status read =
          (*opened)->Read(name, checkpoint::Slice{}, values.data());
      EXPECT_TRUE(read.ok()) << read;
    }
    return weights;
  }

  Weights Trained(const std::string& name) {
    return Read(folder_ / (name + "/model/model.safetensors"));
  }

  std::string Bytes(const std::string& name) {
    std::ifstream in(folder_ / (name + "/model/model.safetensors"),
                     std::ios::binary);
    EXPECT_TRUE(in.good()) << name;
    return {std::istreambuf_iterator<char>(in), {}};
  }

  TempDir folder_;
};

TEST_P(OptimizerTest, StepsAtEveryLayoutAsOnOneRank) {
  const Case& c = GetParam();
  const Weights first =
      Read(SourcePath("tests/golden/models/llama/model/model.safetensors"));
  const WorldResult one = Train({.micro_batch = 4}, "one");
  ASSERT_EQ(one.steps.size(), size_t{kSteps});
  const Weights want = Trained("one");
  const std::vector<Layout> layouts = {
      {.tensor_parallel = 2, .micro_batch = 4},
      {.data_parallel = 2, .zero_stage = 0, .micro_batch = 4},
      {.data_parallel = 2, .zero_stage = 1, .micro_batch = 4},
      {.data_parallel = 2, .zero_stage = 2, .micro_batch = 4},
      {.tensor_parallel = 2, .data_parallel = 2, .micro_batch = 4},
      {.tensor_parallel = 2,
       .data_parallel = 2,
       .zero_stage = 1,
       .micro_batch = 4},
      {.tensor_parallel = 2,
       .data_parallel = 2,
       .zero_stage = 2,
       .micro_batch = 4}};
  for (const Layout& layout : layouts) {
    SCOPED_TRACE(layout.Describe());
    const WorldResult got = Train(layout, layout.Describe());
    ASSERT_EQ(got.steps.size(), one.steps.size());
    double worst = 0;
    int64_t beyond = 0;
    int64_t total = 0;
    for (const auto& [name, weights] : Trained(layout.Describe())) {
      double moved = 0;
      for (size_t i = 0; i < weights.size(); ++i)
        moved = std::max<double>(
            moved, std::abs(want.at(name)[i] - first.at(name)[i]));
      EXPECT_GT(moved, 0) << name << " is not trained";
      for (size_t i = 0; i < weights.size(); ++i) {
        const double off = std::abs(weights[i] - want.at(name)[i]) / moved;
        ++total;
        if (off > c.tolerance) ++beyond;
        if (off <= c.tolerance) worst = std::max(worst, off);
      }
    }
    std::printf("%-9s %-40s weights %.1e of their way, %.1e of them beyond\n",
                c.name.c_str(), layout.Describe().c_str(), worst,
                static_cast<double>(beyond) / static_cast<double>(total));
    EXPECT_LE(static_cast<double>(beyond),
              c.exceptions * static_cast<double>(total));
  }
}

TEST_P(OptimizerTest, ResumesToTheBit) {
  const Layout layout = {.tensor_parallel = 2,
                         .data_parallel = 2,
                         .zero_stage = 2,
                         .micro_batch = 4};
  Train(layout, "whole");
  const WorldResult half = Run(*Tasks(layout, "half"), "half", /*stop_at=*/2);
  ASSERT_EQ(half.committed.size(), 1u);
  auto again = *Tasks(layout, "again");
  for (v1::TrainerTask& task : again)
    task.set_resume_manifest(half.committed[0]);
  Run(again, "again");
  EXPECT_EQ(Bytes("whole"), Bytes("again"));
}

INSTANTIATE_TEST_SUITE_P(All, OptimizerTest, ::testing::ValuesIn(Cases()),
                         [](const auto& tested) { return tested.param.name; });

using ResumeTest = OptimizerTest;

TEST_P(ResumeTest, RefusesTheStatesOfAnother) {
  const WorldResult adam = Run(*Tasks({}, "adam"), "adam", /*stop_at=*/1);
  ASSERT_EQ(adam.committed.size(), 1u);
  auto other = *Tasks({}, "other", Optimizer("Lion", "{}"));
  other[0].set_resume_manifest(adam.committed[0]);
  const absl::Status status =
      RunWorld(other, {folder_ / "other/c", {}}).FirstError();
  EXPECT_THAT(std::string(status.message()),
              ::testing::HasSubstr("has the states of optimizer adam, the job "
                                   "wants lion"));
}

INSTANTIATE_TEST_SUITE_P(Adam, ResumeTest, ::testing::Values(Cases()[0]));

}  // namespace
}  // namespace autotp::testing
