// What every backend does when a peer dies, hangs or gives up.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "absl/time/clock.h"
#include "proto/support/status_macros.h"
#include "tests/unit/worker/collective/worlds.h"

namespace autotp::collective {
namespace {

using absl::StatusCode;

absl::Status SumOnce(Communicator& c, int64_t count) {
  std::vector<float> data(count, 1.0f);
  return Finish(c, c.AllReduce({data.data(), count, ElementType::kFloat32},
                               Reduction::kSum));
}

class FailureTest : public testing::TestWithParam<World> {};

TEST_P(FailureTest, RankThatGoesAwayIsNoticed) {
  const int last = GetParam().size - 1;
  const bool processes = GetParam().ranks_are == RanksAre::kProcesses;
  const auto statuses = RunRanks(
      GetParam(),
      [&](Communicator& c) -> absl::Status {
        AUTOTP_RETURN_IF_ERROR(SumOnce(c, 100000));
        if (c.rank() == last) {
          if (processes) _exit(9);
          return absl::CancelledError("goes away");
        }
        const absl::Time start = absl::Now();
        const absl::Status status = SumOnce(c, 100000);
        const absl::Duration took = absl::Now() - start;
        AUTOTP_RETURN_IF_ERROR(Expect(took < absl::Seconds(1),
                                      "took " + absl::FormatDuration(took)));
        return status;
      },
      OptionsFor(GetParam()));
  for (int r = 0; r < last; ++r) {
    EXPECT_EQ(statuses[r].code(), StatusCode::kUnavailable)
        << "rank " << r << ": " << statuses[r];
  }
  EXPECT_EQ(statuses[last].code(), StatusCode::kCancelled) << statuses[last];
}

TEST_P(FailureTest, SilentRankMeetsTheDeadlineAndTheErrorStays) {
  GroupOptions options = OptionsFor(GetParam());
  options.call_timeout = absl::Milliseconds(150);
  const auto statuses = RunRanks(
      GetParam(),
      [&](Communicator& c) -> absl::Status {
        AUTOTP_RETURN_IF_ERROR(c.Barrier());
        if (c.rank() == 0) {  // stays, and stays silent
          const absl::Time until = absl::Now() + absl::Milliseconds(1500);
          while (absl::Now() < until) std::this_thread::yield();
          return absl::OkStatus();
        }
        const absl::Status first = SumOnce(c, 10);
        const absl::Status second = c.Barrier();
        AUTOTP_RETURN_IF_ERROR(Expect(!second.ok() &&
                                          second.code() == first.code() &&
                                          second.message() == first.message(),
                                      "later: " + second.ToString()));
        return first;
      },
      options);
  EXPECT_TRUE(statuses[0].ok()) << statuses[0];
  // The first to give up tells the others, who may then report either.
  bool deadline = false;
  for (int r = 1; r < GetParam().size; ++r) {
    deadline |= statuses[r].code() == StatusCode::kDeadlineExceeded;
    EXPECT_THAT(
        statuses[r].code(),
        testing::AnyOf(StatusCode::kDeadlineExceeded, StatusCode::kUnavailable))
        << "rank " << r << ": " << statuses[r];
  }
  EXPECT_TRUE(deadline) << statuses[1];
}

TEST_P(FailureTest, AbortEndsACallUnderWayAndLaterOnes) {
  const auto statuses = RunRanks(
      GetParam(),
      [&](Communicator& c) -> absl::Status {
        std::promise<void> started;
        std::thread aborter([&] {
          started.get_future().wait();
          if (c.rank() != 0) return;
          c.Abort("told so by a test");
          c.Abort("a second time");
        });
        // Until it takes effect; ranks that lose their peer end as well.
        absl::Status status = SumOnce(c, 10);
        started.set_value();
        for (int i = 0; i < 1000000 && status.ok(); ++i) {
          status = SumOnce(c, 10000);
        }
        aborter.join();
        const absl::Status later = c.Barrier();
        AUTOTP_RETURN_IF_ERROR(Expect(later == status, later.ToString()));
        return status;
      },
      OptionsFor(GetParam()));
  EXPECT_EQ(statuses[0].code(), StatusCode::kUnavailable) << statuses[0];
  EXPECT_THAT(std::string(statuses[0].message()),
              testing::HasSubstr("told so by a test"));
  for (int r = 1; r < GetParam().size; ++r) {
    EXPECT_EQ(statuses[r].code(), StatusCode::kUnavailable)
        << "rank " << r << ": " << statuses[r];
  }
}

TEST_P(FailureTest, RankThatNeverComesMeetsTheFormingDeadline) {
  GroupOptions options = OptionsFor(GetParam());
  options.form_timeout = absl::Milliseconds(200);
  World lonely = GetParam();
  lonely.absent_rank = lonely.size - 1;
  const auto statuses = RunRanks(
      lonely, [](Communicator&) { return absl::OkStatus(); }, options);
  for (int r = 0; r < lonely.absent_rank; ++r) {
    EXPECT_THAT(
        statuses[r].code(),
        testing::AnyOf(StatusCode::kDeadlineExceeded, StatusCode::kUnavailable))
        << "rank " << r << ": " << statuses[r];
    EXPECT_THAT(std::string(statuses[r].message()),
                testing::HasSubstr("cannot form the process group tp (tp/1)"));
  }
}

INSTANTIATE_TEST_SUITE_P(Worlds, FailureTest,
                         testing::ValuesIn(ManyRankWorlds()),
                         [](const auto& world) { return NameOf(world.param); });

}  // namespace
}  // namespace autotp::collective
