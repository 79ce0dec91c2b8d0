// Goal: the progress line says step, loss, speed and time left.
// Method: exact text.
#include "client/cli/progress_line.h"

#include <gtest/gtest.h>

namespace autotp::cli {
namespace {

TEST(ProgressTextTest, SaysStepLossSpeedAndTimeLeft) {
  v1::StepMetrics step;
  step.set_step(25);
  step.set_loss(3.25);
  step.set_tokens(1000);
  const ProgressFacts facts{.tokens_per_second = 500};
  EXPECT_EQ(ProgressText(step, 100, facts),
            "step 25/100 [======>                 ] loss 3.2500 | "
            "500 tokens/s | 2:30 left");
  step.set_step(100);
  EXPECT_EQ(ProgressText(step, 100, facts),
            "step 100/100 [========================] loss 3.2500 | "
            "500 tokens/s | 0:00 left");
}

TEST(ProgressTextTest, SaysEvaluationScaleAndSkippedStepsWhereThereAreSuch) {
  v1::StepMetrics step;
  step.set_step(100);
  step.set_loss(3.25);
  step.set_tokens(1000);
  step.set_loss_scale(65536);
  ProgressFacts facts{.tokens_per_second = 500, .skipped = 2};
  facts.evaluation.set_loss(2);
  facts.evaluation.set_tokens(10);
  EXPECT_EQ(ProgressText(step, 100, facts),
            "step 100/100 [========================] loss 3.2500 | "
            "evaluation 2.0000, perplexity 7.39 | loss scale 65536, 2 steps "
            "skipped | 500 tokens/s | 0:00 left");
  step.clear_loss_scale();
  facts = {.tokens_per_second = 500, .skipped = 1};
  EXPECT_EQ(ProgressText(step, 100, facts),
            "step 100/100 [========================] loss 3.2500 | 1 step "
            "skipped | 500 tokens/s | 0:00 left");
}

}  // namespace
}  // namespace autotp::cli
