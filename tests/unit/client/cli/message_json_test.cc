// Goal: messages become JSON that scripts can use without knowing protobuf.
// Method: exact documents.
#include "client/cli/message_json.h"

#include <gtest/gtest.h>

#include "autotp/v1/cluster_service.pb.h"
#include "autotp/v1/job.pb.h"

namespace autotp::cli {
namespace {

TEST(ToJsonTest, NumbersStayNumbersAndEnumsBecomeWords) {
  v1::JobStatus status;
  status.set_state(v1::JOB_STATE_RUNNING);
  status.mutable_progress()->set_step(5'000'000'000);
  const auto json = ToJson(status);
  EXPECT_EQ(json["state"], "running");
  EXPECT_EQ(json["progress"]["step"], 5'000'000'000);
  EXPECT_TRUE(json["ranks"].is_array());
  EXPECT_FALSE(json.contains("plan")) << "an unset message is not there";
}

TEST(ToJsonTest, TimesAndDurations) {
  v1::Worker worker;
  worker.mutable_since_heartbeat()->set_seconds(1);
  worker.mutable_since_heartbeat()->set_nanos(500'000'000);
  EXPECT_EQ(ToJson(worker)["since_heartbeat"], 1.5);
  v1::JobEvent event;
  event.mutable_time()->set_seconds(1'700'000'000);
  EXPECT_EQ(ToJson(event)["time"], "2023-11-14T22:13:20Z");
}

TEST(EnumWordTest, AnUnknownNumberIsShown) {
  EXPECT_EQ(EnumWord(v1::JobState_descriptor(), 99), "99");
}

}  // namespace
}  // namespace autotp::cli
