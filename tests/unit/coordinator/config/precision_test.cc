// Goal: the types of weights, gradients and exchanges, and the loss scale,
// are what the document says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/coordinator/config/config_testing.h"

namespace autotp::config {
namespace {

using ::testing::ElementsAre;

v1::TrainingConfig Training(const std::string& members) {
  const Reading reading =
      Read(absl::StrCat("{\"train_batch_size\": 8, ", members, "}"));
  EXPECT_TRUE(reading.result.training.has_value()) << members;
  return reading.result.training.value_or(v1::TrainingConfig());
}

TEST(PrecisionTest, Fp16BringsDeepSpeedsDynamicScale) {
  const v1::TrainingConfig training = Training(R"("fp16": {"enabled": true})");
  EXPECT_EQ(training.compute_dtype(), v1::DATA_TYPE_FLOAT16);
  EXPECT_TRUE(training.skip_non_finite());
  const v1::LossScaling& scaling = training.loss_scaling();
  EXPECT_TRUE(scaling.dynamic());
  EXPECT_EQ(scaling.initial(), 65536);
  EXPECT_EQ(scaling.window(), 1000);
  EXPECT_EQ(scaling.hysteresis(), 2);
  EXPECT_FALSE(scaling.consecutive_hysteresis());
  EXPECT_EQ(scaling.minimum(), 1);
}

TEST(PrecisionTest, EveryKeyOfTheScalerCounts) {
  const v1::LossScaling scaling =
      Training(R"("fp16": {"enabled": true, "loss_scale": 0,
                           "initial_scale_power": 3, "loss_scale_window": 7,
                           "hysteresis": 4, "consecutive_hysteresis": true,
                           "min_loss_scale": 2})")
          .loss_scaling();
  EXPECT_EQ(scaling.initial(), 8);
  EXPECT_EQ(scaling.window(), 7);
  EXPECT_EQ(scaling.hysteresis(), 4);
  EXPECT_TRUE(scaling.consecutive_hysteresis());
  EXPECT_EQ(scaling.minimum(), 2);
}

TEST(PrecisionTest, AFixedScaleHasNoUseForTheOthers) {
  const Reading reading = Read(
      "{\"train_batch_size\": 8, \"fp16\": {\"enabled\": true,\n"
      " \"loss_scale\": 128, \"loss_scale_window\": 7,\n"
      " \"min_loss_scale\": 0}}");
  ASSERT_TRUE(reading.result.training.has_value());
  const v1::LossScaling& scaling = reading.result.training->loss_scaling();
  EXPECT_FALSE(scaling.dynamic());
  EXPECT_EQ(scaling.initial(), 128);
  EXPECT_THAT(Found(reading.diagnostics, v1::Diagnostic::SEVERITY_NOTE),
              ElementsAre("KEY_WITHOUT_EFFECT /fp16/loss_scale_window 2:42",
                          "KEY_WITHOUT_EFFECT /fp16/min_loss_scale 3:20",
                          "DEFAULT_OPTIMIZER  1:1"));
}

TEST(PrecisionTest, NonFiniteStepsAreSkippedAsWritten) {
  EXPECT_TRUE(Training(R"("bf16": {"enabled": true})").skip_non_finite());
  EXPECT_FALSE(Training(R"("bf16": {"enabled": true,
                                    "check_grad_overflow": false})")
                   .skip_non_finite());
  // Of a section that is off.
  EXPECT_FALSE(
      Training(R"("bf16": {"check_grad_overflow": true})").skip_non_finite());
  EXPECT_FALSE(
      Training(R"("bf16": {"check_grad_overflow": true})").has_loss_scaling());
}

TEST(PrecisionTest, GradientsAreKeptAndSentInTheTypesThatAreNamed) {
  struct Case {
    std::string members;
    v1::DataType kept;
    v1::DataType sent;
  };
  for (const Case& c :
       std::vector<Case>{{R"("bf16": {"enabled": true})", v1::DATA_TYPE_FLOAT32,
                          v1::DATA_TYPE_FLOAT32},
                         {R"("data_types": {"grad_accum_dtype": "bf16"})",
                          v1::DATA_TYPE_BFLOAT16, v1::DATA_TYPE_FLOAT32},
                         {R"("data_types": {"grad_accum_dtype": "half"},
               "communication_data_type": "FP16")",
                          v1::DATA_TYPE_FLOAT16, v1::DATA_TYPE_FLOAT16},
                         {R"("communication_data_type": "bfloat16")",
                          v1::DATA_TYPE_FLOAT32, v1::DATA_TYPE_BFLOAT16},
                         {R"("communication_data_type": "float32")",
                          v1::DATA_TYPE_FLOAT32, v1::DATA_TYPE_FLOAT32}}) {
    const v1::TrainingConfig training = Training(c.members);
    EXPECT_EQ(training.gradient_dtype(), c.kept) << c.members;
    EXPECT_EQ(training.communication_dtype(), c.sent) << c.members;
  }
}

TEST(PrecisionTest, TheEffectiveConfigReadsAsTheSame) {
  for (const char* members :
       {R"("fp16": {"enabled": true, "initial_scale_power": 5,
                    "hysteresis": 1, "min_loss_scale": 4})",
        R"("fp16": {"enabled": true, "loss_scale": 12.5},
           "communication_data_type": "fp16")",
        R"("bf16": {"enabled": true, "check_grad_overflow": false},
           "data_types": {"grad_accum_dtype": "bf16"})"}) {
    const Reading first =
        Read(absl::StrCat("{\"train_batch_size\": 8, ", members, "}"));
    ASSERT_TRUE(first.result.training.has_value()) << members;
    const Reading second = Read(first.result.effective_json);
    ASSERT_TRUE(second.result.training.has_value())
        << first.result.effective_json;
    EXPECT_EQ(first.result.training->SerializeAsString(),
              second.result.training->SerializeAsString())
        << first.result.effective_json;
  }
}

}  // namespace
}  // namespace autotp::config
