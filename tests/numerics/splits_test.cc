// Goal: splits that fit badly give one rank's numbers: three and eight
// tensor-parallel ranks, heads and key heads that no rank count divides, odd
// vocabularies and intermediate sizes, three data-parallel ranks, three
// micro-steps, the head whole or cut.
// Method: models drawn at random from a seed, which no layout changes; each
// rank is a thread; one rank's loss and norm are the reference (trace_test
// holds that rank to PyTorch's).
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tests/support/temp_dir.h"
#include "tests/support/trace.h"
#include "tests/unit/worker/trainer/rank_threads.h"

namespace autotp::testing {
namespace {

using nlohmann::json;

constexpr double kTolerance = 1e-5;
constexpr int kVocabulary = 251;
constexpr int kTokens = 24;
constexpr int kSteps = 3;
constexpr int kBatch = 12;

struct OddModel {
  const char* name;
  const char* config;
};

void PrintTo(const OddModel& model, std::ostream* out) { *out << model.name; }

// Six query heads on three key heads: 2 + 2 + 2 and 1 + 1 + 1 at TP 3; at
// TP 2, 4 + 2 and 2 + 1; at TP 8 some ranks share a key head or have none.
constexpr OddModel kModels[] = {
    {"llama_odd", R"({"model_type": "llama", "hidden_size": 48,
      "intermediate_size": 75, "num_hidden_layers": 2,
      "num_attention_heads": 6, "num_key_value_heads": 3,
      "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "vocab_size": 251,
      "tie_word_embeddings": false, "hidden_act": "silu",
      "initializer_range": 0.1})"},
    {"llama_eight", R"({"model_type": "llama", "hidden_size": 64,
      "intermediate_size": 75, "num_hidden_layers": 2,
      "num_attention_heads": 8, "num_key_value_heads": 2,
      "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "vocab_size": 251,
      "tie_word_embeddings": true, "hidden_act": "silu",
      "initializer_range": 0.1})"},
    {"gpt2_odd", R"({"model_type": "gpt2", "n_embd": 48, "n_inner": 75,
      "n_layer": 2, "n_head": 6, "n_positions": 64, "vocab_size": 251,
      "layer_norm_epsilon": 1e-5, "resid_pdrop": 0, "embd_pdrop": 0,
      "attn_pdrop": 0, "initializer_range": 0.1})"},
    {"mixtral_odd", R"({"model_type": "mixtral", "hidden_size": 48,
      "intermediate_size": 33, "num_hidden_layers": 2,
      "num_attention_heads": 6, "num_key_value_heads": 3,
      "num_local_experts": 3, "num_experts_per_tok": 2,
      "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "vocab_size": 251,
      "tie_word_embeddings": false, "hidden_act": "silu",
      "sliding_window": null, "initializer_range": 0.1})"},
};

constexpr Layout kOne = {.micro_batch = 4};  // three micro-steps
constexpr Layout kLayouts[] = {
    {.tensor_parallel = 2, .micro_batch = 4},
    {.tensor_parallel = 3, .micro_batch = 12},
    {.tensor_parallel = 4, .micro_batch = 6},
    {.tensor_parallel = 8, .micro_batch = 12},
    {.data_parallel = 3, .zero_stage = 0, .micro_batch = 4},
    {.data_parallel = 3, .zero_stage = 2, .micro_batch = 2},
    {.tensor_parallel = 2,
     .data_parallel = 3,
     .zero_stage = 1,
     .micro_batch = 4},
    {.tensor_parallel = 3,
     .data_parallel = 2,
     .zero_stage = 2,
     .micro_batch = 2},
};

class SplitsTest : public ::testing::TestWithParam<OddModel> {
 protected:
  SplitsTest() {
    std::filesystem::create_directory(folder_ / "model");
    std::ofstream(folder_ / "model/config.json") << GetParam().config;
    std::mt19937 random(3);
    std::vector<uint16_t> tokens(kTokens * kBatch * kSteps);
    for (uint16_t& token : tokens) token = random() % kVocabulary;
    std::ofstream(folder_ / "tokens.bin", std::ios::binary)
        .write(reinterpret_cast<const char*>(tokens.data()),
               static_cast<std::streamsize>(2 * tokens.size()));
  }

  absl::StatusOr<std::vector<v1::TrainerTask>> Plan(const Layout& layout,
                                                    bool whole_head) {
    const json config = {
        {"train_batch_size", kBatch},
        {"train_micro_batch_size_per_gpu", layout.micro_batch},
        {"optimizer", {{"type", "AdamW"}, {"params", {{"lr", 1e-3}}}}},
        {"gradient_clipping", 1.0},
        {"zero_optimization", {{"stage", layout.zero_stage}}},
        {"tensor_parallel",
         {{"autotp_size", layout.tensor_parallel},
          {"vocab_parallel_lm_head", !whole_head}}}};
    v1::JobSpec spec;
    spec.set_config_json(config.dump());
    spec.mutable_model()->set_path(folder_ / "model");
    spec.mutable_model()->set_initialization(
        v1::ModelSource::INITIALIZATION_RANDOM);
    spec.mutable_data()->set_path(folder_ / "tokens.bin");
    spec.mutable_run()->set_max_steps(kSteps);
    spec.mutable_run()->set_sequence_length(kTokens);
    spec.mutable_run()->set_seed(5);
    spec.mutable_run()->set_output_path(folder_ / "out");
    spec.set_world_size(layout.tensor_parallel * layout.data_parallel);
    return PlanTasks(spec);
  }

  std::vector<v1::StepMetrics> Train(const Layout& layout, bool whole_head) {
    const auto tasks = Plan(layout, whole_head);
    EXPECT_TRUE(tasks.ok()) << tasks.status();
    if (!tasks.ok()) return {};
    WorldResult result =
        RunWorld(*tasks, {folder_ / absl::StrCat("c", ++runs_), nullptr});
    EXPECT_TRUE(result.FirstError().ok()) << result.FirstError();
    return result.steps;
  }

  TempDir folder_;
  int runs_ = 0;
};

double Difference(double got, double want) {
  return std::abs(got - want) / std::abs(want);
}

TEST_P(SplitsTest, EverySplitIsOneRanks) {
  const std::vector<v1::StepMetrics> one = Train(kOne, false);
  ASSERT_EQ(one.size(), static_cast<size_t>(kSteps));
  for (const bool whole_head : {false, true}) {
    for (const Layout& layout : kLayouts) {
      if (whole_head && layout.tensor_parallel == 1) continue;
      SCOPED_TRACE(
          absl::StrCat(layout.Describe(), whole_head ? ", whole head" : ""));
      const std::vector<v1::StepMetrics> steps = Train(layout, whole_head);
      ASSERT_EQ(steps.size(), one.size());
      double loss = 0, norm = 0;
      for (size_t i = 0; i < one.size(); ++i) {
        loss = std::max(loss, Difference(steps[i].loss(), one[i].loss()));
        norm = std::max(norm,
                        Difference(steps[i].grad_norm(), one[i].grad_norm()));
      }
      std::printf("%-12s %-40s loss %.1e  norm %.1e%s\n", GetParam().name,
                  layout.Describe().c_str(), loss, norm,
                  whole_head ? "  whole head" : "");
      EXPECT_LE(loss, kTolerance);
      EXPECT_LE(norm, kTolerance);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, SplitsTest, ::testing::ValuesIn(kModels),
                         [](const auto& tested) {
                           return std::string(tested.param.name);
                         });

}  // namespace
}  // namespace autotp::testing
