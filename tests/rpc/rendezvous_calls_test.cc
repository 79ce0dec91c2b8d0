// Goal: the keys of an attempt are set once, waited for with a deadline, and
// die with the attempt; no wait outlives its caller.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/rpc/fake_worker.h"

namespace autotp::testing {
namespace {

using Code = absl::StatusCode;
using Report = v1::ReportTrainerRequest;
using Keys = v1::RendezvousService::Stub;

class RendezvousCallsTest : public ::testing::Test {
 protected:
  RendezvousCallsTest() {
    EXPECT_TRUE(worker_.Register(1).ok());
    EXPECT_TRUE(worker_.RunJob("a", 1, "{}", /*max_restarts=*/1).ok());
  }
  absl::Status Set(const std::string& key, const std::string& value,
                   int attempt = 1) {
    v1::SetKeyRequest request;
    *request.mutable_fence() = worker_.FenceOf("jobs/a", attempt);
    request.set_key(key);
    request.set_value(value);
    return Call(server_.rendezvous(), &Keys::SetKey, request).status();
  }
  v1::GetKeyRequest GetRequest(const std::string& key, absl::Duration wait,
                               int attempt = 1) {
    v1::GetKeyRequest request;
    *request.mutable_fence() = worker_.FenceOf("jobs/a", attempt);
    request.set_key(key);
    request.mutable_wait()->set_seconds(absl::ToInt64Seconds(wait));
    return request;
  }
  absl::StatusOr<std::string> Get(const std::string& key, absl::Duration wait,
                                  int attempt = 1) {
    const auto response = Call(server_.rendezvous(), &Keys::GetKey,
                               GetRequest(key, wait, attempt));
    if (!response.ok()) return response.status();
    return response->value();
  }
  // A call that is known to wait in the coordinator.
  std::future<absl::StatusOr<std::string>> GetLater(const std::string& key,
                                                    absl::Duration wait) {
    auto later = std::async(std::launch::async,
                            [this, key, wait] { return Get(key, wait); });
    EXPECT_TRUE(server_.WaitForWaiters(1));
    return later;
  }

  TestServer server_;
  FakeWorker worker_{server_, "w1"};
};

TEST_F(RendezvousCallsTest, KeyIsThereForAllWhoAskLater) {
  const std::string binary("\0\xff bytes", 8);
  ASSERT_TRUE(Set("nccl/world", binary).ok());
  for (int i = 0; i < 2; ++i) {
    const auto value = Get("nccl/world", absl::ZeroDuration());
    ASSERT_TRUE(value.ok()) << value.status();
    EXPECT_EQ(*value, binary);
  }
}

TEST_F(RendezvousCallsTest, FirstWriterWins) {
  ASSERT_TRUE(Set("key", "one").ok());
  EXPECT_TRUE(Set("key", "one").ok()) << "safe to repeat";
  EXPECT_EQ(Set("key", "two").code(), Code::kAlreadyExists);
  EXPECT_EQ(*Get("key", absl::ZeroDuration()), "one");
}

TEST_F(RendezvousCallsTest, WaitingCallGetsTheKeyWhenItComes) {
  auto value = GetLater("key", absl::Seconds(60));
  ASSERT_TRUE(Set("other", "x").ok());
  ASSERT_TRUE(Set("key", "value").ok());
  const auto got = value.get();
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(*got, "value");
  EXPECT_TRUE(server_.WaitForWaiters(0));
}

TEST_F(RendezvousCallsTest, WaitEndsAtItsDeadline) {
  EXPECT_EQ(Get("key", absl::ZeroDuration()).status().code(),
            Code::kDeadlineExceeded);
  EXPECT_EQ(Get("key", absl::Seconds(-5)).status().code(),
            Code::kDeadlineExceeded);
  auto value = GetLater("key", absl::Seconds(5));
  server_.clock().Advance(absl::Seconds(6));
  const auto got = value.get();
  EXPECT_EQ(got.status().code(), Code::kDeadlineExceeded);
  EXPECT_THAT(got.status().message(), ::testing::HasSubstr("key key"));
}

TEST_F(RendezvousCallsTest, NoWaitIsLongerThanTenMinutes) {
  auto value = GetLater("key", absl::Hours(1'000));
  // Leases are shorter, and so is the patience with a job that stands still.
  for (int step = 1; step <= 67; ++step) {
    server_.clock().Advance(absl::Seconds(9));
    ASSERT_TRUE(worker_.Heartbeat().ok());
    ASSERT_TRUE(worker_.Progress("jobs/a", step, step).ok());
  }
  EXPECT_EQ(value.get().status().code(), Code::kDeadlineExceeded);
}

TEST_F(RendezvousCallsTest, WaitEndsWithTheAttempt) {
  auto value = GetLater("key", absl::Seconds(60));
  ASSERT_TRUE(worker_.Report("jobs/a", 0, Report::STATE_FAILED).ok());
  EXPECT_EQ(value.get().status().code(), Code::kAborted);
}

TEST_F(RendezvousCallsTest, KeysDieWithTheirAttempt) {
  ASSERT_TRUE(Set("key", "of attempt 1").ok());
  ASSERT_TRUE(worker_.Report("jobs/a", 0, Report::STATE_FAILED).ok());
  EXPECT_EQ(Get("key", absl::ZeroDuration()).status().code(), Code::kAborted);
  EXPECT_EQ(Get("key", absl::ZeroDuration(), 2).status().code(),
            Code::kDeadlineExceeded);
  ASSERT_TRUE(Set("key", "of attempt 2", 2).ok());
  EXPECT_EQ(*Get("key", absl::ZeroDuration(), 2), "of attempt 2");
}

TEST_F(RendezvousCallsTest, CancelledWaitIsForgotten) {
  grpc::ClientContext context;
  SetPatience(context);
  auto status = std::async(std::launch::async, [&] {
    v1::GetKeyResponse response;
    return server_.rendezvous().GetKey(
        &context, GetRequest("key", absl::Seconds(60)), &response);
  });
  ASSERT_TRUE(server_.WaitForWaiters(1));
  context.TryCancel();
  EXPECT_EQ(status.get().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(server_.WaitForWaiters(0));
}

TEST_F(RendezvousCallsTest, WaitOfACallerWithoutPatienceIsForgotten) {
  grpc::ClientContext context;
  SetPatience(context, absl::Milliseconds(50));
  v1::GetKeyResponse response;
  const grpc::Status status = server_.rendezvous().GetKey(
      &context, GetRequest("key", absl::Seconds(60)), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(server_.WaitForWaiters(0));
}

TEST_F(RendezvousCallsTest, MalformedAndTooMuch) {
  EXPECT_EQ(Set("", "x").code(), Code::kInvalidArgument);
  EXPECT_EQ(Get("", absl::Seconds(60)).status().code(), Code::kInvalidArgument);
  EXPECT_TRUE(Set("large", std::string(64 << 10, 'x')).ok());
  EXPECT_EQ(Set("larger", std::string((64 << 10) + 1, 'x')).code(),
            Code::kResourceExhausted);
  for (int i = 1; i < 4'096; ++i) {
    ASSERT_TRUE(Set(absl::StrCat("key/", i), "x").ok());
  }
  EXPECT_EQ(Set("one more", "x").code(), Code::kResourceExhausted);
}

}  // namespace
}  // namespace autotp::testing
