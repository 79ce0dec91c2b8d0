// Goal: rendezvous keys are written once, bounded, and of one attempt.
#include "coordinator/core/rendezvous.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/unit/coordinator/core/cluster.h"

namespace autotp::core {
namespace {

class RendezvousTest : public testing::Test {
 protected:
  explicit RendezvousTest() : cluster_(SmallPolicy()) {
    EXPECT_TRUE(cluster_.Register("w1", 2).ok());
    EXPECT_TRUE(
        cluster_.Submit("a", {.world_size = 2, .max_restarts = 1}).ok());
  }
  static Policy SmallPolicy() {
    Policy policy;
    policy.keys_max = 2;
    policy.key_value_bytes_max = 4;
    return policy;
  }
  absl::Status Set(const std::string& key, const std::string& value) {
    v1::SetKeyRequest request;
    *request.mutable_fence() = cluster_.FenceOf("w1", "a");
    request.set_key(key);
    request.set_value(value);
    return cluster_.Apply(request).status();
  }
  std::string Get(const std::string& key) {
    v1::GetKeyRequest request;
    *request.mutable_fence() = cluster_.FenceOf("w1", "a");
    request.set_key(key);
    const auto value = cluster_.core->FindKey(request);
    EXPECT_TRUE(value.ok()) << value.status();
    return value->value_or("not set");
  }

  Cluster cluster_;
};

TEST_F(RendezvousTest, TheFirstWriterWins) {
  EXPECT_EQ(Get("k"), "not set");
  ASSERT_TRUE(Set("k", "one").ok());
  EXPECT_TRUE(cluster_.effects.keys.contains("jobs/a"));
  EXPECT_TRUE(Set("k", "one").ok());
  EXPECT_TRUE(absl::IsAlreadyExists(Set("k", "two")));
  EXPECT_EQ(Get("k"), "one");
}

TEST_F(RendezvousTest, HasBounds) {
  EXPECT_TRUE(absl::IsInvalidArgument(Set("", "v")));
  EXPECT_TRUE(absl::IsResourceExhausted(Set("k", "12345")));
  ASSERT_TRUE(Set("k1", "1234").ok());
  ASSERT_TRUE(Set("k2", "").ok());
  EXPECT_TRUE(absl::IsResourceExhausted(Set("k3", "v")));
  EXPECT_TRUE(Set("k1", "1234").ok());
}

TEST_F(RendezvousTest, KeysDieWithTheAttempt) {
  ASSERT_TRUE(Set("k", "one").ok());
  ASSERT_TRUE(cluster_.Fail("a", 0, v1::FAILURE_REASON_INTERNAL).ok());
  ASSERT_EQ(cluster_.job("a").status().attempt(), 2);
  EXPECT_EQ(Get("k"), "not set");
  EXPECT_TRUE(Set("k", "two").ok());
}

}  // namespace
}  // namespace autotp::core
