#include "coordinator/config/batch_triangle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/unit/coordinator/config/config_testing.h"

namespace autotp::config {
namespace {

using ::testing::HasSubstr;

TEST(BatchTriangleTest, AllSevenWays) {
  struct Case {
    std::optional<int64_t> train, micro, accumulation;
    int64_t want_train, want_micro, want_accumulation;
    std::string reason;
  };
  // At data-parallel size 2.
  for (const Case& c :
       std::vector<Case>{{16, 2, 4, 16, 2, 4, ""},
                         {16, 2, 3, 0, 0, 0, "BATCH_SIZE_MISMATCH"},
                         {16, 2, {}, 16, 2, 4, ""},
                         {18, 4, {}, 0, 0, 0, "BATCH_SIZE_MISMATCH"},
                         {16, {}, 4, 16, 2, 4, ""},
                         {12, {}, 4, 0, 0, 0, "BATCH_SIZE_MISMATCH"},
                         {{}, 2, 4, 16, 2, 4, ""},
                         {16, {}, {}, 16, 8, 1, ""},
                         {15, {}, {}, 0, 0, 0, "BATCH_SIZE_MISMATCH"},
                         {{}, 3, {}, 6, 3, 1, ""},
                         {{}, {}, 4, 0, 0, 0, "BATCH_SIZE_MISSING"},
                         {{}, {}, {}, 0, 0, 0, "BATCH_SIZE_MISSING"}}) {
    const BatchNumbers numbers =
        CloseBatchTriangle({c.train, c.micro, c.accumulation}, 2);
    EXPECT_EQ(numbers.reason, c.reason) << numbers.problem;
    if (!c.reason.empty()) continue;
    EXPECT_EQ(numbers.train, c.want_train);
    EXPECT_EQ(numbers.micro, c.want_micro);
    EXPECT_EQ(numbers.accumulation, c.want_accumulation);
  }
}

TEST(BatchTriangleTest, TheMessageHasAllFourNumbers) {
  const BatchNumbers numbers = CloseBatchTriangle({10, 3, 5}, 2);
  EXPECT_EQ(numbers.problem,
            "train_batch_size is 10, but train_micro_batch_size_per_gpu 3 x "
            "gradient_accumulation_steps 5 x data-parallel size 2 = 30");
  EXPECT_THAT(numbers.suggestion, HasSubstr("set train_batch_size to 30"));
}

TEST(BatchTriangleTest, CountsDataParallelRanksOnly) {
  // 8 ranks at autotp_size 4 consume 2 sequences, not 8.
  const Reading reading = Read(
      R"({"train_micro_batch_size_per_gpu": 1,
          "tensor_parallel": {"autotp_size": 4}})",
      8);
  ASSERT_TRUE(reading.result.training.has_value());
  EXPECT_EQ(reading.result.data_parallel_size, 2);
  EXPECT_EQ(reading.result.training->train_batch_size(), 2);
  const Reading split = Read(
      R"({"train_batch_size": 8, "train_micro_batch_size_per_gpu": 1,
          "tensor_parallel": {"autotp_size": 4}})",
      8);
  ASSERT_TRUE(split.result.training.has_value());
  EXPECT_EQ(split.result.training->accumulation_steps(), 4);
}

TEST(BatchTriangleTest, SaysWhereDeepSpeedCountsOtherwise) {
  struct Case {
    std::string members;
    std::string message;
  };
  // 8 ranks at autotp_size 4: 2 data-parallel ranks.
  for (const Case& c : std::vector<Case>{
           {R"("train_micro_batch_size_per_gpu": 1)",
            "train_batch_size is 2 = 1 x 1 x data-parallel size 2 here; "
            "DeepSpeed, dividing by the world of 8, would count "
            "train_batch_size 8 = 1 x 1 x 8"},
           {R"("train_batch_size": 8, "train_micro_batch_size_per_gpu": 1)",
            "train_batch_size is 8 = 1 x 4 x data-parallel size 2 here; "
            "DeepSpeed, dividing by the world of 8, would count "
            "train_batch_size 8 = 1 x 1 x 8"},
           {R"("train_batch_size": 4, "train_micro_batch_size_per_gpu": 1)",
            "train_batch_size is 4 = 1 x 2 x data-parallel size 2 here; "
            "DeepSpeed, dividing by the world of 8, would refuse these "
            "numbers"}}) {
    const Reading reading =
        Read(absl::StrCat("{", c.members,
                          ", \"tensor_parallel\": {\"autotp_size\": 4}}"),
             8);
    EXPECT_EQ(First(reading.diagnostics, "BATCH_COUNTED_OTHERWISE").message(),
              c.message);
  }
  EXPECT_EQ(First(Read("{\"train_batch_size\": 8}", 8).diagnostics,
                  "BATCH_COUNTED_OTHERWISE")
                .message(),
            "");
}

TEST(BatchTriangleTest, AProductOfTheWorldIsExplained) {
  const Reading reading = Read(
      R"({"train_batch_size": 8, "train_micro_batch_size_per_gpu": 1,
          "gradient_accumulation_steps": 1,
          "tensor_parallel": {"autotp_size": 4}})",
      8);
  EXPECT_THAT(First(reading.diagnostics, "BATCH_SIZE_MISMATCH").message(),
              HasSubstr("DeepSpeed takes it, since it divides by the world of "
                        "8"));
}

}  // namespace
}  // namespace autotp::config
