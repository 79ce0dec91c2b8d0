#include "worker/optimizer/schedule.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace autotp::optimizer {
namespace {

v1::ScheduleConfig Schedule(v1::ScheduleConfig::Kind kind,
                            v1::ScheduleConfig::Ramp ramp, int64_t warmup) {
  v1::ScheduleConfig schedule;
  schedule.set_kind(kind);
  schedule.set_ramp(ramp);
  schedule.set_warmup_steps(warmup);
  return schedule;
}

void ExpectRates(const v1::ScheduleConfig& schedule, double base,
                 const std::vector<double>& rates) {
  for (size_t k = 0; k < rates.size(); ++k) {
    EXPECT_NEAR(LearningRate(schedule, base, static_cast<int64_t>(k) + 1),
                rates[k], 1e-12)
        << "step " << k + 1;
  }
}

TEST(LearningRate, WithoutScheduleIsTheOptimizersOwn) {
  ExpectRates(v1::ScheduleConfig(), 0.25, {0.25, 0.25, 0.25});
}

TEST(LearningRate, LinearWarmupStartsTwiceAtTheMinimum) {
  v1::ScheduleConfig schedule = Schedule(v1::ScheduleConfig::KIND_WARMUP,
                                         v1::ScheduleConfig::RAMP_LINEAR, 3);
  schedule.set_minimum(0.001);
  schedule.set_maximum(0.004);
  ExpectRates(schedule, 9, {0.001, 0.001, 0.002, 0.003, 0.004, 0.004});
}

TEST(LearningRate, LogWarmup) {
  v1::ScheduleConfig schedule = Schedule(v1::ScheduleConfig::KIND_WARMUP,
                                         v1::ScheduleConfig::RAMP_LOG, 4);
  schedule.set_maximum(1);
  ExpectRates(
      schedule, 9,
      {0, 0, std::log(2) / std::log(4), std::log(3) / std::log(4), 1, 1});
}

TEST(LearningRate, OneWarmupStepCountsAsTwo) {
  v1::ScheduleConfig schedule = Schedule(v1::ScheduleConfig::KIND_WARMUP,
                                         v1::ScheduleConfig::RAMP_LINEAR, 1);
  schedule.set_maximum(1);
  ExpectRates(schedule, 9, {0, 0, 0.5, 1});
}

TEST(LearningRate, DecayEndsAtTheMinimum) {
  v1::ScheduleConfig schedule = Schedule(v1::ScheduleConfig::KIND_WARMUP_DECAY,
                                         v1::ScheduleConfig::RAMP_LINEAR, 2);
  schedule.set_minimum(0.1);
  schedule.set_maximum(1.1);
  schedule.set_total_steps(6);
  ExpectRates(schedule, 9,
              {0.1, 0.1, 0.6, 1.1, 0.85, 0.6, 0.35, 0.1, 0.1, 0.1});
}

TEST(LearningRate, Cosine) {
  v1::ScheduleConfig schedule = Schedule(v1::ScheduleConfig::KIND_WARMUP_COSINE,
                                         v1::ScheduleConfig::RAMP_LINEAR, 2);
  schedule.set_total_steps(4);
  schedule.set_warmup_min_ratio(0.2);
  schedule.set_cosine_min_ratio(0.1);
  // Iterations 2, 3, 4: p = 1/2, 1, 1.
  ExpectRates(schedule, 2, {0, 0.4, 1.2, 2 * 0.55, 0.2, 0.2});
}

}  // namespace
}  // namespace autotp::optimizer
