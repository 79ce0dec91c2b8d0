// Goal: the order of sequences is what the documentation says, for every seed
// and data-parallel size, across the ends of epochs.
// Method: counting over small data sets; the seed is in every message.
#include "worker/data/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace autotp::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

SamplerOptions TenSequences() {
  SamplerOptions options;
  options.sequence_count = 10;
  options.train_batch_size = 4;
  options.micro_batch_size = 1;
  options.data_parallel_size = 2;
  return options;
}

TEST(MicroBatchTest, FollowsTheFileAndStridesOverTheRanks) {
  const SamplerOptions options = TenSequences();
  EXPECT_THAT(MicroBatch(options, 4, /*micro_step=*/0, 0), ElementsAre(4));
  EXPECT_THAT(MicroBatch(options, 4, /*micro_step=*/0, 1), ElementsAre(5));
  EXPECT_THAT(MicroBatch(options, 4, /*micro_step=*/1, 0), ElementsAre(6));
  EXPECT_THAT(MicroBatch(options, 4, /*micro_step=*/1, 1), ElementsAre(7));
}

TEST(MicroBatchTest, GoesOnIntoTheNextEpochInsideABatch) {
  SamplerOptions options = TenSequences();
  options.micro_batch_size = 4;
  options.data_parallel_size = 1;
  EXPECT_THAT(MicroBatch(options, 8, 0, 0), ElementsAre(8, 9, 0, 1));
}

TEST(SequenceAtTest, ShufflesEachEpochIntoAPermutationOfItsOwn) {
  for (const int64_t count : {1, 2, 3, 10, 64, 65, 1000}) {
    for (uint64_t seed = 0; seed < 5; ++seed) {
      SamplerOptions options = TenSequences();
      options.sequence_count = count;
      options.shuffle = true;
      options.seed = seed;
      std::vector<std::vector<int64_t>> orders(2);
      for (int64_t position = 0; position < 2 * count; ++position)
        orders[position / count].push_back(SequenceAt(options, position));
      for (const auto& order : orders) {
        const std::set<int64_t> all(order.begin(), order.end());
        EXPECT_EQ(static_cast<int64_t>(all.size()), count) << "seed " << seed;
        EXPECT_EQ(*all.begin(), 0) << "seed " << seed;
        EXPECT_EQ(*all.rbegin(), count - 1) << "seed " << seed;
      }
      if (count >= 64) {
        EXPECT_NE(orders[0], orders[1]) << "seed " << seed;
      }
    }
  }
}

// A shuffled run resumes bit for bit only if the order never changes between
// versions of this program.
TEST(SequenceAtTest, KeepsItsOrderForEver) {
  SamplerOptions options = TenSequences();
  options.shuffle = true;
  options.seed = 7;
  std::vector<int64_t> order;
  for (int64_t position = 0; position < 10; ++position)
    order.push_back(SequenceAt(options, position));
  EXPECT_THAT(order, ElementsAre(7, 6, 8, 3, 0, 5, 2, 4, 1, 9));
}

TEST(SequenceAtTest, SpreadsSequencesOverTheWholeOrder) {
  // Each sequence's mean place over many seeds is near the middle.
  SamplerOptions options = TenSequences();
  options.shuffle = true;
  std::vector<double> total(10, 0);
  constexpr int kSeeds = 2000;
  for (options.seed = 0; options.seed < kSeeds; ++options.seed) {
    for (int64_t position = 0; position < 10; ++position)
      total[SequenceAt(options, position)] += position;
  }
  // Standard deviation of a mean: 2.87 / sqrt(2000) = 0.064.
  for (int i = 0; i < 10; ++i) EXPECT_NEAR(total[i] / kSeeds, 4.5, 0.4) << i;
}

TEST(CheckSamplerTest, SaysWhichNumbersDoNotFit) {
  SamplerOptions options = TenSequences();
  EXPECT_TRUE(CheckSampler(options).ok());
  options.sequence_count = 3;
  EXPECT_THAT(CheckSampler(options).message(),
              AllOf(HasSubstr("3 sequences"), HasSubstr("batch of 4")));
  options = TenSequences();
  options.micro_batch_size = 3;
  EXPECT_THAT(CheckSampler(options).message(), HasSubstr("micro batch 3"));
}

}  // namespace
}  // namespace autotp::data
