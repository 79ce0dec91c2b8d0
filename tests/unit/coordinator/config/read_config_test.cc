#include "coordinator/config/read_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/coordinator/config/config_testing.h"

namespace autotp::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A document that is right but for `members`.
std::string With(const std::string& members) {
  return absl::StrCat("{\"train_batch_size\": 8,\n", members, "}");
}

TEST(ReadConfigTest, DefaultsAreFilledInAndSaid) {
  const Reading reading = Read("{\"train_batch_size\": 4}");
  ASSERT_TRUE(reading.result.training.has_value());
  const v1::TrainingConfig& training = *reading.result.training;
  EXPECT_EQ(training.micro_batch_size(), 4);
  EXPECT_EQ(training.accumulation_steps(), 1);
  EXPECT_EQ(training.compute_dtype(), v1::DATA_TYPE_FLOAT32);
  EXPECT_EQ(training.zero_stage(), 0);
  EXPECT_EQ(training.reduce_bucket_elements(), 500000000);
  EXPECT_EQ(training.allgather_bucket_elements(), 500000000);
  EXPECT_EQ(training.gradient_clipping(), 1.0);
  EXPECT_EQ(training.optimizer().learning_rate(), 1e-3);
  EXPECT_TRUE(training.optimizer().decoupled_decay());
  EXPECT_EQ(training.schedule().kind(), v1::ScheduleConfig::KIND_CONSTANT);
  EXPECT_EQ(First(reading.diagnostics, "DEFAULT_OPTIMIZER").severity(),
            v1::Diagnostic::SEVERITY_NOTE);
  EXPECT_EQ(reading.result.tensor_parallel.size, 1);
}

TEST(ReadConfigTest, AllErrorsAtOnceWithTheirPlaces) {
  const Reading reading = Read(
      "{\n"
      "  \"train_batch_size\": 0,\n"
      "  \"gradient_cliping\": 1.0,\n"
      "  \"gradient_clipping\": -1,\n"
      "  \"zero_optimization\": {\"stage\": \"two\", \"stag\": 2},\n"
      "  \"optimizer\": {\"type\": \"AdamW\", \"params\": {\"lr\": true,\n"
      "      \"learning_rate\": 1}}\n"
      "}");
  EXPECT_FALSE(reading.result.training.has_value());
  EXPECT_THAT(Found(reading.diagnostics),
              ElementsAre("OUT_OF_RANGE /train_batch_size 2:23",
                          "UNKNOWN_KEY /gradient_cliping 3:3",
                          "OUT_OF_RANGE /gradient_clipping 4:24",
                          "WRONG_TYPE /zero_optimization/stage 5:34",
                          "UNKNOWN_KEY /zero_optimization/stag 5:41",
                          "WRONG_TYPE /optimizer/params/lr 6:51",
                          "UNKNOWN_KEY /optimizer/params/learning_rate 7:7"));
  EXPECT_EQ(First(reading.diagnostics, "UNKNOWN_KEY").suggestion(),
            "write \"gradient_clipping\"");
  EXPECT_EQ(First(reading.diagnostics, "OUT_OF_RANGE").message(),
            "train_batch_size is 0; at least 1 is needed");
  EXPECT_EQ(First(reading.diagnostics, "WRONG_TYPE").message(),
            "stage is \"two\" (a string); an integer is needed");
}

TEST(ReadConfigTest, UnknownKeysGetTheNearestKnownOne) {
  struct Case {
    std::string members;
    std::string suggestion;
  };
  for (const Case& c : std::vector<Case>{
           {"\"grad_clipping\": 1", "write \"gradient_clipping\""},
           {"\"Scheduler\": {}", "write \"scheduler\""},
           {"\"autotp_size\": 2", "it belongs into tensor_parallel"},
           {"\"bf16\": {\"enable\": true}", "write \"enabled\""},
           {"\"frobnicate\": 1", "take it out"},
           {"\"tensor_parallel\": {\"partition_config\": {\"layer_specs\": "
            "[{\"patern\": [\"x\"], \"patterns\": [\"x\"]}]}}",
            "write \"patterns\""}}) {
    const Reading reading = Read(With(c.members));
    EXPECT_EQ(First(reading.diagnostics, "UNKNOWN_KEY").suggestion(),
              c.suggestion)
        << c.members;
    EXPECT_FALSE(reading.result.training.has_value()) << c.members;
  }
}

TEST(ReadConfigTest, KnownKeysWithoutEffectSaySo) {
  const Reading reading = Read(
      With("\"steps_per_print\": 10, \"wandb\": {\"enabled\": true, \"team\": "
           "\"x\"},\n"
           "\"zero_optimization\": {\"stage\": 2, \"overlap_comm\": true}"));
  ASSERT_TRUE(reading.result.training.has_value());
  EXPECT_THAT(
      Found(reading.diagnostics, v1::Diagnostic::SEVERITY_NOTE),
      ElementsAre("KEY_WITHOUT_EFFECT /steps_per_print 2:1",
                  "KEY_WITHOUT_EFFECT /wandb 2:24",
                  "KEY_WITHOUT_EFFECT /zero_optimization/overlap_comm 3:35",
                  "DEFAULT_OPTIMIZER  1:1"));
}

TEST(ReadConfigTest, RefusedOnlyWhenSwitchedOn) {
  struct Case {
    std::string members;
    std::string reason;  // empty: accepted
  };
  for (const Case& c : std::vector<Case>{
           {"\"fp16\": {\"fp16_master_weights_and_grads\": true}", ""},
           {"\"fp16\": {\"enabled\": false, \"loss_scale\": 0}", ""},
           {"\"fp16\": {\"enabled\": \"auto\"}", ""},
           {"\"zero_optimization\": {\"offload_optimizer\": "
            "{\"device\": \"cpu\"}}",
            "KEY_REFUSED"},
           {"\"zero_optimization\": {\"offload_optimizer\": "
            "{\"device\": \"none\"}}",
            ""},
           {"\"zero_optimization\": {\"stage\": 3}",
            "ZERO_STAGE_NOT_SUPPORTED"},
           {"\"seed\": 1", "KEY_REFUSED"},
           {"\"optimizer\": {\"type\": \"Adam\", \"params\": "
            "{\"max_grad_norm\": 1.0}}",
            "KEY_REFUSED"},
           {"\"optimizer\": {\"type\": \"RMSprop\"}",
            "OPTIMIZER_NOT_SUPPORTED"},
           {"\"scheduler\": {\"type\": \"CyclicLR\"}",
            "SCHEDULER_NOT_SUPPORTED"},
           {"\"scheduler\": {\"type\": \"StepLR\"}", "MISSING_KEY"},
           {"\"scheduler\": {\"type\": \"MultiStepLR\", \"params\": "
            "{\"milestones\": [3, 0.5]}}",
            "WRONG_TYPE"},
           {"\"optimizer\": {\"type\": \"SGD\", \"params\": "
            "{\"nesterov\": true}}",
            "NESTEROV_WITHOUT_MOMENTUM"},
           {"\"optimizer\": {\"type\": \"Lamb\", \"params\": "
            "{\"min_coeff\": 11}}",
            "OUT_OF_RANGE"},
           {"\"gradient_allreduce_op\": \"sum\"", "UNKNOWN_VALUE"},
           {"\"gradient_allreduce_op\": \"mean\"", ""}}) {
    const Reading reading = Read(With(c.members));
    const std::vector<std::string> found = Found(reading.diagnostics);
    if (c.reason.empty()) {
      EXPECT_THAT(found, IsEmpty()) << c.members;
    } else {
      ASSERT_EQ(found.size(), 1u) << c.members;
      EXPECT_THAT(found[0], HasSubstr(c.reason));
    }
  }
}

TEST(ReadConfigTest, Precision) {
  struct Case {
    std::string members;
    v1::DataType type;
  };
  for (const Case& c : std::vector<Case>{
           {"\"bf16\": {\"enabled\": true}", v1::DATA_TYPE_BFLOAT16},
           {"\"bfloat16\": {\"enabled\": true}", v1::DATA_TYPE_BFLOAT16},
           {"\"bf16\": {\"enabled\": false}", v1::DATA_TYPE_FLOAT32},
           {"\"bf16\": {}", v1::DATA_TYPE_FLOAT32}}) {
    const Reading reading = Read(With(c.members));
    ASSERT_TRUE(reading.result.training.has_value()) << c.members;
    EXPECT_EQ(reading.result.training->compute_dtype(), c.type) << c.members;
  }
  EXPECT_THAT(Found(Read(With("\"bf16\": {},\n\"bfloat16\": {}")).diagnostics),
              ElementsAre("DUPLICATE_SECTION /bfloat16 3:13"));
}

TEST(ReadConfigTest, ZeroAndItsNumbers) {
  const Reading reading =
      Read(With("\"zero_optimization\": {\"stage\": 2, \"reduce_bucket_size\": "
                "5e6, \"allgather_bucket_size\": \"2e3\"}"));
  ASSERT_TRUE(reading.result.training.has_value());
  EXPECT_EQ(reading.result.training->zero_stage(), 2);
  EXPECT_EQ(reading.result.training->reduce_bucket_elements(), 5000000);
  EXPECT_EQ(reading.result.training->allgather_bucket_elements(), 2000);
  EXPECT_THAT(Found(Read(With("\"zero_optimization\": {\"reduce_bucket_size\":"
                              " 0.5}"))
                        .diagnostics),
              ElementsAre("WRONG_TYPE /zero_optimization/reduce_bucket_size "
                          "2:45"));
}

v1::OptimizerConfig Optimizer(const std::string& section) {
  const Reading reading = Read(With(absl::StrCat("\"optimizer\": ", section)));
  EXPECT_THAT(Found(reading.diagnostics), IsEmpty()) << section;
  return reading.result.training.value_or(v1::TrainingConfig()).optimizer();
}

TEST(ReadConfigTest, Optimizers) {
  const v1::OptimizerConfig full = Optimizer(
      R"({"type": "Adam", "params": {"lr": 0.004, "betas": [0.8, 0.99],
          "eps": 1e-6, "weight_decay": 0.1, "bias_correction": false,
          "adam_w_mode": false}})");
  EXPECT_EQ(full.learning_rate(), 0.004);
  EXPECT_EQ(full.beta1(), 0.8);
  EXPECT_EQ(full.beta2(), 0.99);
  EXPECT_EQ(full.epsilon(), 1e-6);
  EXPECT_EQ(full.weight_decay(), 0.1);
  EXPECT_FALSE(full.bias_correction());
  EXPECT_FALSE(full.decoupled_decay());
  // DeepSpeed's Adam decays decoupled unless told otherwise.
  EXPECT_TRUE(Optimizer(R"({"type": "Adam"})").decoupled_decay());
  EXPECT_TRUE(Optimizer(R"({"type": "adamw", "params":
                            {"adam_w_mode": false}})")
                  .decoupled_decay());
  EXPECT_EQ(Optimizer(R"({"type": "AdamW"})").weight_decay(), 0.0);
  EXPECT_EQ(Optimizer(R"({"type": "AdamW", "params": {"torch_adam": true}})")
                .weight_decay(),
            0.01);
}

TEST(ReadConfigTest, OptimizersHaveTheirOwnDefaults) {
  EXPECT_EQ(Optimizer(R"({"type": "Adagrad"})").learning_rate(), 0.01);
  EXPECT_EQ(Optimizer(R"({"type": "Adagrad"})").epsilon(), 1e-10);
  EXPECT_EQ(Optimizer(R"({"type": "SGD"})").learning_rate(), 0.001);
  EXPECT_EQ(Optimizer(R"({"type": "Lamb"})").maximum_coefficient(), 10);
  EXPECT_EQ(Optimizer(R"({"type": "Lion"})").beta2(), 0.999);
  const v1::OptimizerConfig muon = Optimizer(R"({"type": "Muon"})");
  EXPECT_EQ(muon.learning_rate(), 0.02);
  EXPECT_EQ(muon.adam_learning_rate(), 3e-4);
  EXPECT_EQ(muon.beta2(), 0.95);
  EXPECT_EQ(muon.epsilon(), 1e-10);
  const v1::OptimizerConfig both =
      Optimizer(R"({"type": "Muon", "params": {"lr": 0.5, "adam_lr": 0.25}})");
  EXPECT_EQ(both.learning_rate(), 0.5);
  EXPECT_EQ(both.adam_learning_rate(), 0.25);
}

TEST(ReadConfigTest, SixteenBitMastersAndStates) {
  const auto precision = [](const std::string& members) {
    return Read(With(members)).result.training.value_or(v1::TrainingConfig());
  };
  const v1::TrainingConfig plain = precision(R"("bf16": {"enabled": true})");
  EXPECT_EQ(plain.master_dtype(), v1::DATA_TYPE_FLOAT32);
  EXPECT_EQ(plain.state_dtype(), v1::DATA_TYPE_FLOAT32);
  EXPECT_EQ(plain.gradient_dtype(), v1::DATA_TYPE_FLOAT32);
  const v1::TrainingConfig brain = precision(
      R"("bf16": {"enabled": true, "bf16_master_weights_and_grads": true,
                  "bf16_optimizer_states": true})");
  EXPECT_EQ(brain.master_dtype(), v1::DATA_TYPE_BFLOAT16);
  EXPECT_EQ(brain.state_dtype(), v1::DATA_TYPE_BFLOAT16);
  EXPECT_EQ(brain.gradient_dtype(), v1::DATA_TYPE_BFLOAT16);
  const v1::TrainingConfig half = precision(
      R"("fp16": {"enabled": true, "fp16_master_weights_and_grads": true},
         "data_types": {"grad_accum_dtype": "fp32"})");
  EXPECT_EQ(half.master_dtype(), v1::DATA_TYPE_FLOAT16);
  EXPECT_EQ(half.state_dtype(), v1::DATA_TYPE_FLOAT32);
  EXPECT_EQ(half.gradient_dtype(), v1::DATA_TYPE_FLOAT32);
}

// The effective JSON reads as the same configuration.
TEST(ReadConfigTest, EveryOptimizerAndScheduleSurvivesItsEffectiveJson) {
  for (const std::string optimizer :
       {"Adam", "AdamW", "Adagrad", "Lamb", "Lion", "Muon", "SGD"}) {
    for (const std::string scheduler :
         {R"("WarmupLR")", R"("LRRangeTest")",
          R"("OneCycle", "params": {"cycle_min_lr": 0.1, "cycle_max_lr": 1})",
          R"("LinearLR")", R"("ConstantLR")",
          R"("StepLR", "params": {"step_size": 3})",
          R"("MultiStepLR", "params": {"milestones": [3, 5]})",
          R"("ExponentialLR", "params": {"gamma": 0.5})", R"("PolynomialLR")",
          R"("CosineAnnealingLR", "params": {"T_max": 9})",
          R"("CosineAnnealingWarmRestarts", "params": {"T_0": 9})"}) {
      const Reading first = Read(With(absl::StrCat(
          R"("optimizer": {"type": ")", optimizer, R"("}, "scheduler": )",
          R"({"type": )", scheduler, "}")));
      ASSERT_TRUE(first.result.training.has_value()) << optimizer << scheduler;
      const Reading second = Read(first.result.effective_json);
      ASSERT_TRUE(second.result.training.has_value()) << optimizer << scheduler;
      EXPECT_EQ(first.result.training->SerializeAsString(),
                second.result.training->SerializeAsString())
          << first.result.effective_json;
    }
  }
}

TEST(ReadConfigTest, Schedulers) {
  const Reading warmup =
      Read(With(R"("optimizer": {"type": "AdamW", "params": {"lr": 0.5}},
              "scheduler": {"type": "WarmupLR"})"));
  ASSERT_TRUE(warmup.result.training.has_value());
  const v1::ScheduleConfig& first = warmup.result.training->schedule();
  EXPECT_EQ(first.kind(), v1::ScheduleConfig::KIND_WARMUP);
  EXPECT_EQ(first.minimum(), 0);
  EXPECT_EQ(first.maximum(), 0.5);  // the optimizer's
  EXPECT_EQ(first.warmup_steps(), 1000);
  EXPECT_EQ(first.ramp(), v1::ScheduleConfig::RAMP_LOG);

  const Reading decay = Read(With(
      R"("scheduler": {"type": "WarmupDecayLR", "params":
         {"total_num_steps": 100, "warmup_num_steps": 10,
          "warmup_type": "linear"}})"));
  ASSERT_TRUE(decay.result.training.has_value());
  const v1::ScheduleConfig& second = decay.result.training->schedule();
  EXPECT_EQ(second.kind(), v1::ScheduleConfig::KIND_WARMUP_DECAY);
  EXPECT_EQ(second.maximum(), 0.001);
  EXPECT_EQ(second.total_steps(), 100);
  EXPECT_EQ(second.ramp(), v1::ScheduleConfig::RAMP_LINEAR);

  const Reading cosine = Read(With(
      R"("scheduler": {"type": "WarmupCosineLR", "params":
         {"total_num_steps": 100, "warmup_min_ratio": 0.1}})"));
  ASSERT_TRUE(cosine.result.training.has_value());
  const v1::ScheduleConfig& third = cosine.result.training->schedule();
  EXPECT_EQ(third.kind(), v1::ScheduleConfig::KIND_WARMUP_COSINE);
  EXPECT_EQ(third.warmup_min_ratio(), 0.1);
  EXPECT_EQ(third.cosine_min_ratio(), 1e-4);
}

TEST(ReadConfigTest, SchedulerErrors) {
  struct Case {
    std::string section;
    std::string found;
  };
  for (const Case& c : std::vector<Case>{
           {R"({"type": "WarmupDecayLR"})", "MISSING_KEY"},
           {R"({"type": "WarmupLR", "params": {"warmup_num_steps": 2.5}})",
            "WRONG_TYPE /scheduler/params/warmup_num_steps"},
           {R"({"type": "WarmupLR", "params": {"warmup_num_steps": 0}})",
            "OUT_OF_RANGE /scheduler/params/warmup_num_steps"},
           {R"({"type": "WarmupLR", "params": {"total_num_steps": 5}})",
            "UNKNOWN_KEY /scheduler/params/total_num_steps"},
           {R"({"type": "WarmupLR", "params": {"warmup_type": "exp"}})",
            "UNKNOWN_VALUE /scheduler/params/warmup_type"}}) {
    const Reading reading =
        Read(With(absl::StrCat("\"scheduler\": ", c.section)));
    ASSERT_EQ(Found(reading.diagnostics).size(), 1u) << c.section;
    EXPECT_THAT(Found(reading.diagnostics)[0], HasSubstr(c.found));
  }
}

TEST(ReadConfigTest, WorldThatTensorParallelDoesNotDivide) {
  const Reading reading =
      Read(With("\"tensor_parallel\": {\"autotp_size\": 3}"), 8);
  const v1::Diagnostic diagnostic =
      First(reading.diagnostics, "TENSOR_PARALLEL_SIZE_DOES_NOT_DIVIDE");
  EXPECT_EQ(diagnostic.line(), 2);
  EXPECT_EQ(diagnostic.column(), 36);
  EXPECT_EQ(diagnostic.suggestion(),
            "set autotp_size to 2 or 4, or run on 6 or 9 ranks");
  EXPECT_FALSE(reading.result.training.has_value());
}

TEST(ReadConfigTest, EffectiveConfigReadsAsTheSame) {
  const std::string text = With(
      R"("gradient_accumulation_steps": 2, "bf16": {"enabled": true},
      "optimizer": {"type": "Adam", "params": {"adam_w_mode": false}},
      "scheduler": {"type": "WarmupCosineLR",
                    "params": {"total_num_steps": 7,
                               "warmup_num_steps": 3}},
      "zero_optimization": {"stage": 1},
      "tensor_parallel": {"autotp_size": 2, "preset_model": "LLaMA",
        "partition_config": {"strict_mode": true, "layer_specs": [
          {"patterns": [".*o_proj"], "partition_type": "ROW",
           "shape": [-1, [4, 4]], "model_types": ["Llama"]}]}})");
  const Reading once = Read(text, 2);
  ASSERT_TRUE(once.result.training.has_value())
      << once.diagnostics.all()[0].ShortDebugString();
  const Reading twice = Read(once.result.effective_json, 2);
  ASSERT_TRUE(twice.result.training.has_value());
  for (const v1::Diagnostic& diagnostic : twice.diagnostics.all()) {
    if (diagnostic.reason() == "BATCH_COUNTED_OTHERWISE") continue;
    ADD_FAILURE() << diagnostic.ShortDebugString();
  }
  EXPECT_EQ(once.result.training->SerializeAsString(),
            twice.result.training->SerializeAsString());
  EXPECT_EQ(once.result.effective_json, twice.result.effective_json);
}

TEST(ReadConfigTest, MutatedTextsEndInDiagnostics) {
  constexpr unsigned kSeed = 7;
  const std::string text = With(
      R"("optimizer": {"type": "Adam", "params": {"betas": [0.9, 0.99]}},
      "tensor_parallel": {"autotp_size": 2, "partition_config":
        {"layer_specs": [{"patterns": ["a"], "shape": [[1, 2], -1]}]}}, //x)"
      "\n");
  std::mt19937 random(kSeed);
  const std::string alphabet = "{}[]\",:/*#\\01-e.\n tfn\xC3";
  for (int round = 0; round < 3000; ++round) {
    std::string mutated = text;
    for (unsigned edits = 1 + random() % 4; edits > 0; --edits) {
      mutated[random() % mutated.size()] = alphabet[random() % alphabet.size()];
    }
    if (random() % 4 == 0) mutated.resize(random() % mutated.size());
    const Reading reading = Read(mutated, 2);
    EXPECT_EQ(reading.result.training.has_value(),
              !reading.diagnostics.has_error())
        << "seed " << kSeed << " round " << round << ": " << mutated;
    for (const v1::Diagnostic& diagnostic : reading.diagnostics.all()) {
      EXPECT_GE(diagnostic.line(), 1) << mutated;
      EXPECT_GE(diagnostic.column(), 1) << mutated;
    }
  }
}

TEST(ReadConfigTest, NotAnObject) {
  EXPECT_THAT(Found(Read("[1]").diagnostics), ElementsAre("WRONG_TYPE  1:1"));
}

}  // namespace
}  // namespace autotp::config
