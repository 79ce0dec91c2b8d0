// Goal: nobody hears of what is not durable, everybody is answered, order is
// kept, and the queue has a bound.
// Method: a real engine thread over a disk that is a map, a clock of the
// test's, and gates that hold the thread.
#include "coordinator/engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "coordinator/store/memory_store.h"
#include "tests/support/fake_clock.h"

namespace autotp::engine {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(20);

class EngineTest : public ::testing::Test {
 protected:
  void Start(EngineOptions options = {}) {
    options.tick = absl::Milliseconds(1);
    auto store = store::OpenMemoryStore(disk_, "cluster");
    ASSERT_TRUE(store.ok()) << store.status();
    core::State state;
    state.cluster_uid = "cluster";
    state.epoch = 1;
    EngineHooks hooks;
    hooks.log = [this](const std::string& line) { log_.push_back(line); };
    hooks.remove_folder = [](const std::string&) {};
    engine_ = std::make_unique<Engine>(core::Core(std::move(state)),
                                       *std::move(store), clock_,
                                       std::move(hooks), options);
  }
  static core::Submission Job(const std::string& id) {
    core::Submission submission;
    submission.request.set_job_id(id);
    submission.request.mutable_spec()->set_world_size(1);
    submission.uid = "0123456789";
    auto plan = std::make_shared<v1::PlannedJob>();
    plan->mutable_plan()->set_tensor_parallel_size(1);
    submission.plan = plan;
    return submission;
  }
  // Blocks until the engine has answered.
  absl::StatusOr<v1::Job> Create(const std::string& id) {
    absl::StatusOr<v1::Job> result;
    absl::Notification done;
    engine_->Change<v1::Job>(Job(id), [&](absl::StatusOr<v1::Job> job) {
      result = std::move(job);
      done.Notify();
    });
    done.WaitForNotification();
    return result;
  }
  absl::Status Ask(const std::function<void(const View&)>& ask) {
    absl::Status result;
    absl::Notification done;
    const absl::Status posted = engine_->Ask(
        [&](const View& view) {
          ask(view);
          done.Notify();
        },
        [&](const absl::Status& status) {
          result = status;
          done.Notify();
        });
    if (!posted.ok()) return posted;
    done.WaitForNotification();
    return result;
  }
  void SetBroken(bool broken) {
    // On the engine's thread, whether it answers or refuses.
    absl::Notification done;
    const auto set = [&] {
      disk_->broken = broken;
      done.Notify();
    };
    ASSERT_TRUE(engine_
                    ->Ask([&](const View&) { set(); },
                          [&](const absl::Status&) { set(); })
                    .ok());
    done.WaitForNotification();
  }

  testing::FakeClock clock_;
  std::shared_ptr<store::MemoryDisk> disk_ =
      std::make_shared<store::MemoryDisk>();
  std::vector<std::string> log_;  // engine's thread, or after it
  std::unique_ptr<Engine> engine_;
};

// Holds the engine's thread from its making to its end.
class Gate {
 public:
  explicit Gate(Engine& engine) {
    EXPECT_TRUE(engine
                    .Ask(
                        [this](const View&) {
                          entered_.Notify();
                          open_.WaitForNotification();
                        },
                        [](const absl::Status&) {})
                    .ok());
    entered_.WaitForNotification();
  }
  void Open() { open_.Notify(); }

 private:
  absl::Notification entered_;
  absl::Notification open_;
};

TEST_F(EngineTest, AnswersComeWhenTheirRowsAreWritten) {
  Start();
  bool durable = false;
  absl::Notification done;
  engine_->Change<v1::Job>(Job("a"), [&](const absl::StatusOr<v1::Job>& job) {
    durable = job.ok() && disk_->rows.contains({core::Table::kJobs, "jobs/a"});
    done.Notify();
  });
  done.WaitForNotification();
  EXPECT_TRUE(durable);
}

TEST_F(EngineTest, QuestionsSeeWhatWasPostedBefore) {
  Start();
  Gate gate(*engine_);
  std::atomic<bool> created = false;
  engine_->Change<v1::Job>(
      Job("a"), [&](const absl::StatusOr<v1::Job>&) { created = true; });
  std::thread opener([&] { gate.Open(); });
  const absl::Status asked = Ask([&](const View& view) {
    EXPECT_TRUE(created);
    EXPECT_TRUE(view.core.FindJob("a").ok());
  });
  EXPECT_TRUE(asked.ok()) << asked;
  opener.join();
}

TEST_F(EngineTest, EventsOfOneThreadKeepTheirOrder) {
  Start({.batch_max = 3});
  constexpr int kThreads = 4;
  constexpr int kEvents = 500;
  std::vector<std::vector<int>> seen(kThreads);  // engine's thread
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEvents; ++i) {
        EXPECT_TRUE(engine_
                        ->Ask([&, t, i](const View&) { seen[t].push_back(i); },
                              [](const absl::Status&) {})
                        .ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  engine_->Stop();
  for (const std::vector<int>& events : seen) {
    ASSERT_EQ(events.size(), static_cast<size_t>(kEvents));
    EXPECT_TRUE(std::is_sorted(events.begin(), events.end()));
  }
}

TEST_F(EngineTest, FullQueueRefusesAtOnceAndForgetsNothing) {
  Start({.queue_max = 2});
  Gate gate(*engine_);
  std::atomic<int> answered = 0;
  const auto ask = [&] {
    return engine_->Ask([&](const View&) { ++answered; },
                        [](const absl::Status&) {});
  };
  EXPECT_TRUE(ask().ok());
  EXPECT_TRUE(ask().ok());
  EXPECT_TRUE(absl::IsResourceExhausted(ask()));
  absl::Status refused;
  engine_->Change<v1::Job>(Job("a"), [&](const absl::StatusOr<v1::Job>& job) {
    refused = job.status();  // on this thread
  });
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  gate.Open();
  engine_->Stop();
  EXPECT_EQ(answered, 2);
}

TEST_F(EngineTest, StopAnswersWhatIsQueuedAndAllWhoWait) {
  struct Sleeper final : Waiter {
    void Wake(const View&) override {}
    void Stop(const absl::Status& why) override { stopped = why; }
    absl::Status stopped;
  };
  Start({.batch_max = 1});
  const auto sleeper = std::make_shared<Sleeper>();
  ASSERT_TRUE(Ask([&](const View& view) {
                EXPECT_TRUE(view.topics.Wait("topic", sleeper).ok());
              }).ok());
  Gate gate(*engine_);
  std::atomic<int> answered = 0;
  for (int i = 0; i < 10; ++i) {
    engine_->Change<v1::Job>(Job(absl::StrCat("job-", i)),
                             [&](const absl::StatusOr<v1::Job>& job) {
                               if (job.ok()) ++answered;
                             });
  }
  std::thread stopper([&] { engine_->Stop(); });
  gate.Open();
  stopper.join();
  EXPECT_EQ(answered, 10);
  EXPECT_TRUE(absl::IsUnavailable(sleeper->stopped)) << sleeper->stopped;
  EXPECT_TRUE(absl::IsUnavailable(Ask([](const View&) {})));
  engine_->Stop();  // once more
}

TEST_F(EngineTest, TicksPassTimeAndWakeTheLate) {
  struct Sleeper final : Waiter {
    void Wake(const View& view) override {
      woken_at = view.now;
      done.Notify();
    }
    void Stop(const absl::Status&) override {}
    absl::Time woken_at;
    absl::Notification done;
  };
  Start();
  const auto sleeper = std::make_shared<Sleeper>();
  const absl::Time deadline = clock_.Now() + absl::Hours(1);
  ASSERT_TRUE(Ask([&](const View& view) {
                EXPECT_TRUE(view.topics.Wait("topic", sleeper, deadline).ok());
              }).ok());
  EXPECT_FALSE(sleeper->done.HasBeenNotified());
  clock_.Advance(absl::Hours(2));
  EXPECT_TRUE(sleeper->done.WaitForNotificationWithTimeout(kPatience));
  EXPECT_GE(sleeper->woken_at, deadline);
}

TEST_F(EngineTest, WatchersAreWokenOnlyByWhatIsDurable) {
  struct Sleeper final : Waiter {
    void Wake(const View& view) override {
      found = view.core.FindJob("a").ok();
      done.Notify();
    }
    void Stop(const absl::Status&) override {}
    std::atomic<bool> found = false;
    absl::Notification done;
  };
  Start();
  const auto sleeper = std::make_shared<Sleeper>();
  ASSERT_TRUE(Ask([&](const View& view) {
                EXPECT_TRUE(view.topics.Wait(JobTopic("jobs/a"), sleeper).ok());
              }).ok());
  SetBroken(true);
  EXPECT_TRUE(absl::IsUnavailable(Create("a").status()));
  EXPECT_FALSE(sleeper->done.HasBeenNotified());
  SetBroken(false);
  clock_.Advance(absl::Seconds(2));
  EXPECT_TRUE(sleeper->done.WaitForNotificationWithTimeout(kPatience));
  EXPECT_TRUE(sleeper->found);
}

TEST_F(EngineTest, FailingStoreIsTriedAgainAfterAWhileAndSaidOnce) {
  Start();
  SetBroken(true);
  EXPECT_TRUE(absl::IsUnavailable(Create("a").status()));
  EXPECT_TRUE(absl::IsUnavailable(Create("b").status()));
  EXPECT_TRUE(absl::IsUnavailable(Ask([](const View&) {})));
  SetBroken(false);
  EXPECT_TRUE(absl::IsUnavailable(Ask([](const View&) {})))
      << "not before its time";
  clock_.Advance(absl::Seconds(2));
  const absl::Time deadline = absl::Now() + kPatience;
  while (!Ask([](const View&) {}).ok()) ASSERT_LT(absl::Now(), deadline);
  EXPECT_TRUE(disk_->rows.contains({core::Table::kJobs, "jobs/a"}))
      << "decided before the failure was seen";
  EXPECT_FALSE(disk_->rows.contains({core::Table::kJobs, "jobs/b"}))
      << "refused, so never decided";
  engine_->Stop();
  EXPECT_THAT(log_[0], HasSubstr("the state store fails"));
  EXPECT_THAT(log_[1], HasSubstr("works again"));
}

}  // namespace
}  // namespace autotp::engine
