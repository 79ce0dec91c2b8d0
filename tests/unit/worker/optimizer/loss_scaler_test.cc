// Goal: the loss scale is DeepSpeed's, step by step.
// Method: the expected values are those that DeepSpeed's DynamicLossScaler had
// after each step; the scaler is saved and made anew between any two.
#include "worker/optimizer/loss_scaler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace autotp::optimizer {
namespace {

struct Case {
  std::string name;
  double initial;
  int64_t window;
  double minimum;
  int hysteresis;
  bool consecutive;
  std::string steps;   // x: overflow
  std::string scales;  // scale/hysteresis after each step; "raise" at the end
};

const Case kCases[] = {
    {"hysteresis", 65536, 3, 1, 2, false, "..x.x.xx....x...x.x........",
     "65536/2 65536/2 65536/1 65536/1 32768/1 32768/1 16384/1 8192/1 8192/1 "
     "8192/1 8192/1 16384/2 16384/1 16384/1 16384/1 16384/1 8192/1 8192/1 "
     "4096/1 4096/1 4096/1 4096/1 8192/2 8192/2 8192/2 16384/2 16384/2"},
    {"no_hysteresis", 16, 2, 1, 1, false, "x..x.....x.....x",
     "8/1 8/1 8/1 4/1 4/1 4/1 8/1 8/1 16/1 8/1 8/1 8/1 16/1 16/1 32/1 16/1"},
    {"consecutive", 256, 4, 1, 3, true, "xx.xx.xxx.....xxx..xx......",
     "256/2 256/1 256/3 256/2 256/1 256/3 256/2 256/1 128/1 128/3 128/3 128/3 "
     "128/3 256/3 256/2 256/1 128/1 128/3 128/3 128/2 128/1 128/3 128/3 128/3 "
     "128/3 256/3 256/3"},
    {"window_of_one", 4, 1, 1, 2, false, "....xx..xxx...",
     "4/2 8/2 16/2 32/2 32/1 16/1 16/1 32/2 32/1 16/1 8/1 8/1 16/2 32/2"},
    {"down_to_the_minimum", 8, 1000, 3, 2, false, "xxxxx", "8/1 4/1 3/1 raise"},
    {"begins_at_the_minimum", 1, 5, 1, 1, false, ".x", "1/1 raise"},
};

class LossScalerTest : public ::testing::TestWithParam<Case> {};

TEST_P(LossScalerTest, FollowsDeepSpeed) {
  const Case& c = GetParam();
  v1::LossScaling config;
  config.set_initial(c.initial);
  config.set_dynamic(true);
  config.set_window(c.window);
  config.set_hysteresis(c.hysteresis);
  config.set_consecutive_hysteresis(c.consecutive);
  config.set_minimum(c.minimum);
  v1::TrainingState state;
  std::vector<std::string> got;
  for (const char step : c.steps) {
    LossScaler scaler(config, state);
    const absl::Status updated = scaler.Update(step == 'x');
    if (!updated.ok()) {
      EXPECT_EQ(updated.code(), absl::StatusCode::kOutOfRange);
      EXPECT_THAT(std::string(updated.message()),
                  ::testing::HasSubstr("smallest loss scale, "));
      got.push_back("raise");
      break;
    }
    scaler.Save(state);
    got.push_back(absl::StrCat(scaler.scale(), "/", state.hysteresis_left()));
  }
  const std::vector<std::string> want = absl::StrSplit(c.scales, ' ');
  EXPECT_EQ(got, want);
}

INSTANTIATE_TEST_SUITE_P(DeepSpeed, LossScalerTest, ::testing::ValuesIn(kCases),
                         [](const auto& tested) { return tested.param.name; });

TEST(LossScaler, AFixedScaleStaysWhateverHappens) {
  v1::LossScaling config;
  config.set_initial(12.5);
  LossScaler scaler(config, v1::TrainingState());
  for (const bool overflow : {true, true, false, true}) {
    EXPECT_TRUE(scaler.Update(overflow).ok());
    EXPECT_EQ(scaler.scale(), 12.5);
  }
}

TEST(LossScaler, GrowsNoFurtherThanFp32Holds) {
  v1::LossScaling config;
  config.set_initial(0x1p126);
  config.set_dynamic(true);
  config.set_window(1);
  config.set_hysteresis(1);
  config.set_minimum(1);
  LossScaler scaler(config, v1::TrainingState());
  for (int step = 0; step < 9; ++step) EXPECT_TRUE(scaler.Update(false).ok());
  EXPECT_EQ(scaler.scale(), 0x1p127);
}

}  // namespace
}  // namespace autotp::optimizer
