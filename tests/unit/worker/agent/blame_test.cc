// Goal: the cause is reported, not what followed from it.
#include "worker/agent/blame.h"

#include <gtest/gtest.h>

namespace autotp::agent {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'000);

v1::Failure Of(int rank, v1::FailureReason reason, int signal = 0) {
  v1::Failure failure;
  failure.set_rank(rank);
  failure.set_reason(reason);
  failure.set_signal(signal);
  return failure;
}

TEST(BlameTest, CauseIsReportedAtOnceAndOnlyOnce) {
  Blame blame;
  blame.Add(Of(1, v1::FAILURE_REASON_TRAINER_EXITED, 9), kStart);
  const auto failure = blame.Decide(kStart);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->rank(), 1);
  blame.Add(Of(0, v1::FAILURE_REASON_INTERNAL), kStart);
  EXPECT_FALSE(blame.Decide(kStart + absl::Hours(1)).has_value());
  EXPECT_EQ(blame.DecideTime(), absl::InfiniteFuture());
}

TEST(BlameTest, CauseThatComesLateReplacesTheEcho) {
  Blame blame;
  blame.Add(Of(0, v1::FAILURE_REASON_COLLECTIVE), kStart);
  EXPECT_FALSE(blame.Decide(kStart).has_value());
  const absl::Time later = kStart + absl::Milliseconds(100);
  blame.Add(Of(1, v1::FAILURE_REASON_TRAINER_EXITED, 9), later);
  EXPECT_EQ(blame.Decide(later)->rank(), 1);
}

TEST(BlameTest, FirstEchoIsReportedWhenNoCauseComes) {
  Blame blame;
  blame.Add(Of(2, v1::FAILURE_REASON_COLLECTIVE), kStart);
  blame.Add(Of(3, v1::FAILURE_REASON_COLLECTIVE), kStart);
  EXPECT_EQ(blame.Decide(blame.DecideTime())->rank(), 2);
}

TEST(BlameTest, LaterCauseDoesNotReplaceTheFirst) {
  Blame blame;
  blame.Add(Of(1, v1::FAILURE_REASON_DATA), kStart);
  blame.Add(Of(0, v1::FAILURE_REASON_TRAINER_EXITED, 6), kStart);
  EXPECT_EQ(blame.Decide(kStart)->rank(), 1);
}

TEST(BlameTest, SignalIsNeverAnEcho) {
  EXPECT_FALSE(IsCollateral(Of(0, v1::FAILURE_REASON_COLLECTIVE, 11)));
  EXPECT_TRUE(IsCollateral(Of(0, v1::FAILURE_REASON_COLLECTIVE)));
}

TEST(BlameTest, NothingIsDecidedWithoutAFailure) {
  Blame blame;
  EXPECT_FALSE(blame.any());
  EXPECT_FALSE(blame.Decide(absl::FromUnixSeconds(9'000)).has_value());
}

}  // namespace
}  // namespace autotp::agent
