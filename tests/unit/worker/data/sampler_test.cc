// Goal: the order of sequences is what the documentation says, for every seed
// and data-parallel size, across the ends of epochs.
// Method: counting over small data sets; the seed is in every message.
#include "worker/data/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
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

// An epoch that ends inside a batch, or inside a rank's micro-batch, neither
// repeats nor drops a sequence: of all sizes, any window of positions that is
// as long as an epoch holds every sequence as often as it must.
TEST(MicroBatchTest, RanksTogetherReadEveryEpochOnce) {
  std::mt19937_64 random(20'260'101);
  for (int round = 0; round < 300; ++round) {
    const auto draw = [&](int64_t most) {
      return static_cast<int64_t>(random() % most) + 1;
    };
    SamplerOptions options;
    options.micro_batch_size = draw(3);
    options.data_parallel_size = static_cast<int>(draw(4));
    const int64_t accumulation = draw(3);
    options.train_batch_size =
        options.micro_batch_size * options.data_parallel_size * accumulation;
    options.sequence_count = options.train_batch_size + draw(40) - 1;
    options.shuffle = round % 2 == 0;
    options.seed = random();
    ASSERT_TRUE(CheckSampler(options).ok()) << "round " << round;
    const int64_t steps =
        3 * options.sequence_count / options.train_batch_size + 1;
    std::vector<int64_t> order;
    for (int64_t step = 0; step < steps; ++step) {
      for (int64_t micro = 0; micro < accumulation; ++micro) {
        for (int rank = 0; rank < options.data_parallel_size; ++rank) {
          for (const int64_t sequence : MicroBatch(
                   options, step * options.train_batch_size, micro, rank))
            order.push_back(sequence);
        }
      }
    }
    for (int64_t epoch = 0; epoch < 3; ++epoch) {
      const auto begin = order.begin() + epoch * options.sequence_count;
      std::vector<int64_t> seen(begin, begin + options.sequence_count);
      std::sort(seen.begin(), seen.end());
      for (int64_t i = 0; i < options.sequence_count; ++i)
        ASSERT_EQ(seen[i], i) << "round " << round << ", epoch " << epoch;
    }
  }
}

TEST(MixTest, KeepsEveryShareAndEveryFilesEpochs) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 50; ++round) {
    SamplerOptions options = TenSequences();
    options.shuffle = round % 2 == 0;
    options.seed = random();
    options.sequence_count = 0;
    double total = 0;
    const size_t count = 1 + random() % 4;
    for (size_t i = 0; i < count; ++i) {
      const double weight = 0.05 + static_cast<double>(random() % 100);
      options.files.push_back({static_cast<int64_t>(random() % 9) + 1, weight});
      options.sequence_count += options.files.back().sequence_count;
      total += weight;
    }
    std::vector<std::vector<int64_t>> drawn(count);
    for (int64_t position = 0; position < 400; ++position) {
      int64_t sequence = SequenceAt(options, position);
      size_t file = 0;
      while (sequence >= options.files[file].sequence_count)
        sequence -= options.files[file++].sequence_count;
      ASSERT_LT(file, count);
      drawn[file].push_back(sequence);
      for (size_t i = 0; i < count; ++i) {
        const double due = (position + 1) * options.files[i].weight / total;
        ASSERT_NEAR(static_cast<double>(drawn[i].size()), due, count)
            << "round " << round << ", position " << position;
      }
    }
    for (size_t i = 0; i < count; ++i) {
      const auto size = static_cast<size_t>(options.files[i].sequence_count);
      for (size_t begin = 0; begin + size <= drawn[i].size(); begin += size) {
        const std::set<int64_t> epoch(drawn[i].begin() + begin,
                                      drawn[i].begin() + begin + size);
        ASSERT_EQ(epoch.size(), size) << "round " << round << ", file " << i;
      }
    }
  }
}

TEST(MixTest, WeightsLikeTheSizesReadAllFilesOnce) {
  SamplerOptions options = TenSequences();
  options.files = {{7, 7}, {3, 3}, {11, 11}};
  options.sequence_count = 21;
  options.shuffle = true;
  for (int64_t epoch = 0; epoch < 4; ++epoch) {
    std::set<int64_t> seen;
    for (int64_t i = 0; i < 21; ++i)
      seen.insert(SequenceAt(options, epoch * 21 + i));
    EXPECT_EQ(seen.size(), 21u) << epoch;
  }
}

TEST(MixTest, KeepsItsOrderForEver) {
  SamplerOptions options = TenSequences();
  options.files = {{10, 0.7}, {3, 0.3}};
  options.sequence_count = 13;
  std::vector<int64_t> order;
  for (int64_t position = 0; position < 10; ++position)
    order.push_back(SequenceAt(options, position));
  EXPECT_THAT(order, ElementsAre(0, 10, 1, 2, 11, 3, 4, 5, 12, 6));
  // Far out, where a product of 64 bits would not fit any more.
  int first = 0;
  for (int64_t i = 0; i < 100; ++i)
    first += SequenceAt(options, (int64_t{1} << 40) + i) < 10;
  EXPECT_NEAR(first, 70, 1);
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
