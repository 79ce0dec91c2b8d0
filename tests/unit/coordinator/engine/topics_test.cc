// Goal: a waiter is woken once for each time that it registered: by its
// topic, its deadline or the end; those that are gone cost nothing.
#include "coordinator/engine/topics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "coordinator/engine/engine.h"

namespace autotp::engine {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'000);

struct Sleeper final : Waiter {
  void Wake(const View& view) override {
    ++woken;
    if (again) again(view);
  }
  void Stop(const absl::Status& why) override { stopped = why; }

  int woken = 0;
  absl::Status stopped;
  std::function<void(const View&)> again;
};

class TopicsTest : public ::testing::Test {
 protected:
  core::Core core_{core::State()};
  Telemetry telemetry_;
  Topics topics_{/*waiters_max=*/4};
  const View view_{core_, telemetry_, topics_, kNow};
  const std::shared_ptr<Sleeper> sleeper_ = std::make_shared<Sleeper>();
};

TEST_F(TopicsTest, WakesOnceForItsTopicOnly) {
  ASSERT_TRUE(topics_.Wait("a", sleeper_).ok());
  topics_.Notify("b", view_);
  EXPECT_EQ(sleeper_->woken, 0);
  topics_.Notify("a", view_);
  topics_.Notify("a", view_);
  EXPECT_EQ(sleeper_->woken, 1);
  EXPECT_EQ(topics_.size(), 0u);
}

TEST_F(TopicsTest, WaiterMayRegisterAgainWhileItIsWoken) {
  sleeper_->again = [this](const View& view) {
    EXPECT_TRUE(view.topics.Wait("a", sleeper_).ok());
  };
  ASSERT_TRUE(topics_.Wait("a", sleeper_).ok());
  topics_.Notify("a", view_);
  EXPECT_EQ(sleeper_->woken, 1) << "not within one notification";
  topics_.Notify("a", view_);
  EXPECT_EQ(sleeper_->woken, 2);
  EXPECT_EQ(topics_.size(), 1u);
}

TEST_F(TopicsTest, DeadlinesWake) {
  ASSERT_TRUE(topics_.Wait("a", sleeper_, kNow + absl::Seconds(1)).ok());
  ASSERT_TRUE(topics_.Wait("a", sleeper_, kNow + absl::Seconds(3)).ok());
  ASSERT_TRUE(topics_.Wait("b", sleeper_).ok());
  topics_.NotifyLate(kNow + absl::Seconds(2), view_);
  EXPECT_EQ(sleeper_->woken, 1);
  EXPECT_EQ(topics_.size(), 2u);
}

TEST_F(TopicsTest, WaitersThatAreGoneAreForgotten) {
  ASSERT_TRUE(topics_.Wait("a", std::make_shared<Sleeper>()).ok());
  EXPECT_EQ(topics_.size(), 1u);
  topics_.NotifyLate(kNow, view_);
  EXPECT_EQ(topics_.size(), 0u);
  ASSERT_TRUE(topics_.Wait("a", std::make_shared<Sleeper>()).ok());
  topics_.Notify("a", view_);
  topics_.NotifyAll(view_);
  topics_.StopAll(absl::UnavailableError("stop"));
}

TEST_F(TopicsTest, OnlySoManyMayWait) {
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(topics_.Wait("a", sleeper_).ok());
  }
  EXPECT_TRUE(absl::IsResourceExhausted(topics_.Wait("b", sleeper_)));
  topics_.Notify("a", view_);
  EXPECT_EQ(sleeper_->woken, 4);
  EXPECT_TRUE(topics_.Wait("b", sleeper_).ok());
}

TEST_F(TopicsTest, AllAreWokenOrStopped) {
  ASSERT_TRUE(topics_.Wait("a", sleeper_).ok());
  ASSERT_TRUE(topics_.Wait("b", sleeper_).ok());
  topics_.NotifyAll(view_);
  EXPECT_EQ(sleeper_->woken, 2);
  ASSERT_TRUE(topics_.Wait("a", sleeper_).ok());
  topics_.StopAll(absl::UnavailableError("the end"));
  EXPECT_EQ(sleeper_->woken, 2);
  EXPECT_EQ(sleeper_->stopped, absl::UnavailableError("the end"));
  EXPECT_EQ(topics_.size(), 0u);
}

}  // namespace
}  // namespace autotp::engine
