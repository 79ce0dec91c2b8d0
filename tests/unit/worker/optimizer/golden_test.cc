// Goal: every optimizer and schedule, from its section of a DeepSpeed JSON,
// gives the numbers that PyTorch and DeepSpeed compute.
// Method: tests/golden/optimizers/make.py made those; weights and gradients
// are the same functions of their places here and there.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "coordinator/config/read_config.h"
#include "tests/support/plain_product.h"
#include "tests/support/subprocess.h"
#include "worker/optimizer/schedule.h"
#include "worker/optimizer/update.h"

namespace autotp::optimizer {
namespace {

using nlohmann::json;

constexpr int kSteps = 24;
constexpr int64_t kRows = 4;
constexpr int64_t kColumns = 6;
constexpr int64_t kCount = kRows * kColumns;
// Relative to the largest weight: 24 steps, each rounded in fp32 (6e-8).
constexpr double kTolerance = 1e-6;
// Orthogonalising lifts small singular values, and their rounding with them.
constexpr double kMuonTolerance = 2e-6;

json Load(const std::string& name) {
  std::ifstream in(
      testing::SourcePath(absl::StrCat("tests/golden/optimizers/", name)));
  return json::parse(in, nullptr, /*allow_exceptions=*/false);
}

v1::TrainingConfig Read(const json& sections) {
  json document = sections;
  document["train_batch_size"] = 1;
  config::Diagnostics diagnostics;
  const config::ConfigResult result =
      config::ReadConfig(document.dump(), "test.json", {}, &diagnostics);
  for (const v1::Diagnostic& diagnostic : diagnostics.all())
    EXPECT_NE(diagnostic.severity(), v1::Diagnostic::SEVERITY_ERROR)
        << diagnostic.DebugString();
  return result.training.value_or(v1::TrainingConfig());
}

float FirstWeight(int64_t i) {
  return static_cast<float>(std::sin(0.7 * static_cast<double>(i) + 0.3));
}

float Gradient(int step, int64_t i) {
  const double place = static_cast<double>(i);
  return static_cast<float>(std::sin(0.37 * place * place + 0.9 * step) *
                            static_cast<double>(1 + i % 3));
}

struct Case {
  std::string name;
  std::string section;  // of the DeepSpeed JSON
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

// One parameter and its states.
struct Trained {
  std::vector<float> weights, first, second, directions, scratch;

  void Step(const optimizer::Step& step, const float* gradients, bool tall) {
    float* states[] = {first.data(), second.data()};
    if (const auto* lamb = std::get_if<LambStep>(&step)) {
      UpdateLambMoments(*lamb, kCount, gradients, states[0], states[1]);
      const double ratio = LambRatio(
          *lamb,
          SumLambSquares(*lamb, kCount, weights.data(), states[0], states[1]));
      UpdateLambWeights(*lamb, ratio, kCount, weights.data(), states[0],
                        states[1]);
    } else if (const auto* muon = std::get_if<MuonStep>(&step)) {
      const int64_t rows = tall ? kColumns : kRows;
      const int64_t columns = kCount / rows;
      UpdateMuonMomentum(*muon, kCount, gradients, states[0],
                         directions.data());
      Orthogonalize(autotp::testing::MultiplyPlainly, muon->iterations, rows,
                    columns, directions.data(), scratch);
      UpdateMuonWeights(*muon, MuonStepSize(*muon, rows, columns), kCount,
                        directions.data(), weights.data());
    } else {
      UpdateElements(step, kCount, gradients, weights.data(), states);
    }
  }
};

class OptimizerTest : public ::testing::TestWithParam<Case> {};

TEST_P(OptimizerTest, ComputesWhatPyTorchAndDeepSpeedDo) {
  const json all = Load("values.json");
  ASSERT_TRUE(all.contains(GetParam().name));
  const json& want = all[GetParam().name];
  const bool tall = GetParam().name == "muon_tall";
  const v1::TrainingConfig config =
      Read({{"optimizer", json::parse(GetParam().section)}});
  // The matrix lies transposed in memory where it is tall.
  const auto place = [tall](int64_t i) {
    return tall ? i % kColumns * kRows + i / kColumns : i;
  };
  Trained trained;
  for (std::vector<float>* array :
       {&trained.weights, &trained.second, &trained.directions})
    array->resize(kCount);
  trained.first.assign(
      kCount, static_cast<float>(config.optimizer().initial_accumulator()));
  for (int64_t i = 0; i < kCount; ++i)
    trained.weights[place(i)] = FirstWeight(i);
  std::vector<float> gradients(kCount);
  double worst = 0;
  for (int step = 1; step <= kSteps; ++step) {
    // What clipping takes away is given back here.
    for (int64_t i = 0; i < kCount; ++i)
      gradients[place(i)] = 4 * Gradient(step, i);
    trained.Step(Update(config, step, 0.25).For({.orthogonalized = true}),
                 gradients.data(), tall);
    if (step % 4 != 0) continue;
    const json& row = want[step / 4 - 1];
    double largest = 0;
    double difference = 0;
    for (int64_t i = 0; i < kCount; ++i) {
      const double number = row[i].get<double>();
      largest = std::max(largest, std::abs(number));
      difference =
          std::max(difference, std::abs(trained.weights[place(i)] - number));
    }
    worst = std::max(worst, difference / largest);
    const bool muon =
        config.optimizer().kind() == v1::OptimizerConfig::KIND_MUON;
    EXPECT_LE(difference, (muon ? kMuonTolerance : kTolerance) * largest)
        << "step " << step;
  }
  std::printf("%-14s %.1e\n", GetParam().name.c_str(), worst);
}

INSTANTIATE_TEST_SUITE_P(
    All, OptimizerTest,
    ::testing::Values(
        Case{"adamw", R"({"type": "AdamW", "params": {"lr": 0.01,
             "betas": [0.9, 0.95], "weight_decay": 0.1}})"},
        Case{"adam_l2", R"({"type": "Adam", "params": {"lr": 0.01,
             "betas": [0.9, 0.95], "weight_decay": 0.1,
             "adam_w_mode": false}})"},
        Case{"adagrad", R"({"type": "Adagrad", "params": {"lr": 0.05,
             "weight_decay": 0.1, "lr_decay": 0.02,
             "initial_accumulator_value": 0.3}})"},
        Case{"sgd", R"({"type": "SGD", "params": {"lr": 0.05,
             "weight_decay": 0.1}})"},
        Case{"sgd_momentum", R"({"type": "SGD", "params": {"lr": 0.05,
             "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}})"},
        Case{"sgd_nesterov", R"({"type": "SGD", "params": {"lr": 0.05,
             "momentum": 0.9, "nesterov": true, "weight_decay": 0.1}})"},
        Case{"lion", R"({"type": "Lion", "params": {"lr": 0.01,
             "betas": [0.9, 0.99], "weight_decay": 0.1}})"},
        Case{"lamb", R"({"type": "Lamb", "params": {"lr": 0.01,
             "betas": [0.9, 0.95], "eps": 1e-6, "weight_decay": 0.1}})"},
        Case{"lamb_inside", R"({"type": "Lamb", "params": {"lr": 0.01,
             "betas": [0.9, 0.95], "eps": 1e-6, "min_coeff": 0.5,
             "max_coeff": 0.9, "eps_inside_sqrt": true}})"},
        Case{"muon", R"({"type": "Muon", "params": {"lr": 0.02,
             "momentum": 0.9, "weight_decay": 0.1}})"},
        Case{"muon_tall", R"({"type": "Muon", "params": {"muon_lr": 0.02,
             "momentum": 0.9}})"}),
    [](const auto& tested) { return tested.param.name; });

TEST(ScheduleTest, FollowsPyTorchAndDeepSpeed) {
  const json cases = Load("schedules.json");
  ASSERT_GE(cases.size(), 20u);
  for (const json& c : cases) {
    SCOPED_TRACE(absl::StrCat(c["type"].dump(), " ", c["params"].dump()));
    const v1::TrainingConfig config =
        Read({{"optimizer", {{"type", "Adam"}, {"params", {{"lr", 0.01}}}}},
              {"scheduler", {{"type", c["type"]}, {"params", c["params"]}}}});
    int64_t step = 0;
    for (const json& row : c["values"]) {
      ++step;
      const double rate = row[0].get<double>();
      EXPECT_NEAR(LearningRate(config.schedule(), 0.01, step), rate,
                  1e-9 * rate + 1e-15)
          << "step " << step;
      const std::optional<Betas> betas = CycledBetas(config.schedule(), step);
      const bool cycled =
          c["type"] == "OneCycle" && c["params"].value("cycle_momentum", true);
      ASSERT_EQ(betas.has_value(), cycled);
      if (!cycled) continue;
      EXPECT_NEAR(betas->beta1, row[1].get<double>(), 1e-9) << "step " << step;
      EXPECT_NEAR(betas->beta2, row[2].get<double>(), 1e-9) << "step " << step;
    }
  }
}

TEST(UpdateTest, GroupsDifferInDecayAndRate) {
  const v1::TrainingConfig config = Read(
      {{"optimizer",
        {{"type", "Muon"},
         {"params",
          {{"muon_lr", 0.5}, {"adam_lr", 0.25}, {"weight_decay", 0.5}}}}},
       {"scheduler",
        {{"type", "WarmupLR"},
         {"params", {{"warmup_num_steps", 2}, {"warmup_type", "linear"}}}}}});
  // Step 3 is halfway through the warm-up, of both rates.
  const Update update(config, 3, 1.0);
  EXPECT_EQ(update.learning_rate(), 0.25);
  const auto muon = std::get<MuonStep>(update.For({.orthogonalized = true}));
  EXPECT_EQ(muon.rate, 0.25);
  EXPECT_EQ(muon.decay, 1 - 0.25f * 0.5f);
  const auto adam = std::get<AdamStep>(update.For({}));
  EXPECT_EQ(adam.decay, 1 - 0.125f * 0.5f);
  const auto bare = std::get<AdamStep>(update.For({.undecayed = true}));
  EXPECT_EQ(bare.decay, 1.0f);
  EXPECT_EQ(bare.step_size, adam.step_size);
}

}  // namespace
}  // namespace autotp::optimizer
