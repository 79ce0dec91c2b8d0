// Goal: a status says why an attempt failed.
#include "worker/trainer/failure_reason.h"

#include <gtest/gtest.h>

namespace autotp::trainer {
namespace {

TEST(FailureReasonTest, MarkWinsOverCode) {
  const absl::Status status = WithReason(absl::UnavailableError("disk is gone"),
                                         v1::FAILURE_REASON_STORAGE);
  EXPECT_EQ(ReasonOf(status), v1::FAILURE_REASON_STORAGE);
  EXPECT_EQ(status.message(), "disk is gone");
}

TEST(FailureReasonTest, FirstMarkStays) {
  const absl::Status status = WithReason(
      WithReason(absl::InternalError("x"), v1::FAILURE_REASON_NUMERIC),
      v1::FAILURE_REASON_MODEL);
  EXPECT_EQ(ReasonOf(status), v1::FAILURE_REASON_NUMERIC);
}

TEST(FailureReasonTest, OkIsNotMarked) {
  EXPECT_EQ(WithReason(absl::OkStatus(), v1::FAILURE_REASON_DATA),
            absl::OkStatus());
}

TEST(FailureReasonTest, CodesSuggestReasons) {
  EXPECT_EQ(ReasonOf(absl::UnavailableError("")),
            v1::FAILURE_REASON_COLLECTIVE);
  EXPECT_EQ(ReasonOf(absl::DataLossError("")), v1::FAILURE_REASON_STORAGE);
  EXPECT_EQ(ReasonOf(absl::InternalError("")), v1::FAILURE_REASON_INTERNAL);
}

}  // namespace
}  // namespace autotp::trainer
