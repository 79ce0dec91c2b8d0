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
  EXPECT_EQ(ProgressText(step, 100, 500),
            "step 25/100 [======>                 ] loss 3.2500 | "
            "500 tokens/s | 2:30 left");
  step.set_step(100);
  EXPECT_EQ(ProgressText(step, 100, 500),
            "step 100/100 [========================] loss 3.2500 | "
            "500 tokens/s | 0:00 left");
}

}  // namespace
}  // namespace autotp::cli
