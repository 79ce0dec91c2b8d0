// Goal: a pool runs what it took, refuses what does not fit, and ends only
// when all is done.
#include "coordinator/engine/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>

#include "absl/synchronization/notification.h"

namespace autotp::engine {
namespace {

TEST(WorkerPoolTest, RefusesWhatDoesNotFitAndRunsTheRestBeforeItStops) {
  WorkerPool pool(/*num_threads=*/1, /*queue_max=*/2);
  absl::Notification entered;
  absl::Notification open;
  std::atomic<int> ran = 0;
  ASSERT_TRUE(pool.Post([&] {
                    entered.Notify();
                    open.WaitForNotification();
                    ++ran;
                  })
                  .ok());
  entered.WaitForNotification();
  EXPECT_TRUE(pool.Post([&] { ++ran; }).ok());
  EXPECT_TRUE(pool.Post([&] { ++ran; }).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(pool.Post([&] { ++ran; })));
  open.Notify();
  pool.Stop();
  EXPECT_EQ(ran, 3);
  EXPECT_TRUE(absl::IsUnavailable(pool.Post([&] { ++ran; })));
  pool.Stop();  // once more
}

TEST(WorkerPoolTest, WorkMayPostMoreWork) {
  WorkerPool pool(2, 8);
  absl::Notification done;
  ASSERT_TRUE(
      pool.Post([&] { EXPECT_TRUE(pool.Post([&] { done.Notify(); }).ok()); })
          .ok());
  done.WaitForNotification();
}

}  // namespace
}  // namespace autotp::engine
