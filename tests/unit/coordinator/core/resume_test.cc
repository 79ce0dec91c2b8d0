// Goal: a job that resumes takes the newest checkpoint that counts, and it
// stays there as long as it is needed.
#include <string>
#include <vector>

#include "coordinator/core/checkpoints.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/core/cluster.h"

namespace autotp::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Report = Cluster::Report;

class ResumeTest : public testing::Test {
 protected:
  void Run(const JobOptions& options) {
    ASSERT_TRUE(cluster_.Register("w1", 4).ok());
    ASSERT_TRUE(cluster_.Submit("a", options).ok());
    cluster_.SayAll("a", Report::STATE_READY);
  }
  // What job b takes of what it finds.
  v1::JobRecord Resume(const std::vector<FoundCheckpoint>& found) {
    EXPECT_TRUE(cluster_.Submit("b", {.resume = true, .found = found}).ok());
    return cluster_.job("b").record;
  }
  std::vector<int64_t> Committed() {
    std::vector<int64_t> steps;
    for (const auto& [key, record] : cluster_.job("a").checkpoints) {
      if (record.checkpoint().state() == v1::Checkpoint::STATE_COMMITTED) {
        steps.push_back(key.step);
      }
    }
    return steps;
  }

  Cluster cluster_;
};

TEST_F(ResumeTest, TakesTheNewestThatIsCommitted) {
  Run({.world_size = 1});
  ASSERT_TRUE(cluster_.Save("a", 5).ok());
  ASSERT_TRUE(cluster_.Save("a", 7).ok());
  ASSERT_TRUE(cluster_.Begin("a", 9).ok());
  const v1::JobRecord record =
      Resume({{"/out/a/checkpoints/step-00000007-a1-g1-01234567", 7},
              {"/out/a/checkpoints/step-00000005-a1-g1-01234567", 5},
              // Whole on the disk, but its commit never came.
              {"/out//a/checkpoints/step-00000009-a1-g1-01234567", 9}});
  EXPECT_EQ(record.first_step(), 7);
  EXPECT_EQ(record.first_manifest(),
            "/out/a/checkpoints/step-00000007-a1-g1-01234567/MANIFEST.json");
}

TEST_F(ResumeTest, TakesAFolderOfAnotherCoordinator) {
  const v1::JobRecord record = Resume({{"/out/old/step-3", 3}});
  EXPECT_EQ(record.first_step(), 3);
  EXPECT_THAT(cluster_.reason("b"), HasSubstr("waiting for 1 slot"));
  EXPECT_THAT(cluster_.job("b").events.front().message(),
              HasSubstr("not in this coordinator's records"));
}

TEST_F(ResumeTest, WhatItBeginsFromIsKept) {
  Run({.keep_latest = 1});
  ASSERT_TRUE(cluster_.Save("a", 1).ok());
  const std::string folder = "/out/a/checkpoints/step-00000001-a1-g1-01234567";
  EXPECT_EQ(Resume({{folder, 1}}).first_step(), 1);
  ASSERT_TRUE(cluster_.Save("a", 2).ok());
  EXPECT_THAT(Committed(), ElementsAre(1, 2));
  ASSERT_TRUE(cluster_.Cancel("b", v1::CancelJobRequest::MODE_IMMEDIATE).ok());
  ASSERT_TRUE(cluster_.Say("b", 0, Report::STATE_STOPPED).ok());
  ASSERT_TRUE(cluster_.Save("a", 3).ok());
  EXPECT_THAT(Committed(), ElementsAre(3));
}

// The folder was there when the job was planned, and is gone now.
TEST_F(ResumeTest, WhatWasRemovedMeanwhileIsNotTaken) {
  Run({.keep_latest = 1});
  ASSERT_TRUE(cluster_.Save("a", 1).ok());
  ASSERT_TRUE(cluster_.Save("a", 2).ok());
  const v1::JobRecord record =
      Resume({{"/out/a/checkpoints/step-00000001-a1-g1-01234567", 1}});
  EXPECT_EQ(record.first_manifest(), "");
}

TEST_F(ResumeTest, StartsOverAndSaysSoWhenThereIsNone) {
  const v1::JobRecord record = Resume({});
  EXPECT_EQ(record.first_manifest(), "");
  EXPECT_THAT(cluster_.job("b").events.front().message(),
              HasSubstr("starts over: no committed checkpoint"));
}

}  // namespace
}  // namespace autotp::core
