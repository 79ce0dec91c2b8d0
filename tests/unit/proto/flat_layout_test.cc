#include "proto/support/flat_layout.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace autotp::zero {
namespace {

using ::testing::ElementsAre;

TEST(FlatLayout, PartialGradientsComeLastInBucketsOfTheirOwn) {
  const FlatLayout layout({{10, false}, {5, true}, {20, false}, {7, true}}, 2,
                          1000);
  EXPECT_EQ(layout.parameter(0), (Range{0, 10}));
  EXPECT_EQ(layout.parameter(2), (Range{16, 36}));
  ASSERT_EQ(layout.buckets().size(), 2u);
  EXPECT_THAT(layout.buckets()[0].parameters, ElementsAre(0, 2));
  EXPECT_THAT(layout.buckets()[1].parameters, ElementsAre(1, 3));
  EXPECT_FALSE(layout.buckets()[0].partial_gradient);
  EXPECT_TRUE(layout.buckets()[1].partial_gradient);
  EXPECT_EQ(layout.bucket_of(3), 1);
}

TEST(FlatLayout, BucketsHoldWholeParametersUpToTheirSize) {
  const FlatLayout layout({{16, false}, {16, false}, {64, false}, {16, false}},
                          1, 32);
  ASSERT_EQ(layout.buckets().size(), 3u);
  EXPECT_THAT(layout.buckets()[0].parameters, ElementsAre(0, 1));
  EXPECT_THAT(layout.buckets()[1].parameters, ElementsAre(2));
  EXPECT_THAT(layout.buckets()[2].parameters, ElementsAre(3));
}

TEST(FlatLayout, OfNothingIsEmpty) {
  const FlatLayout layout({}, 3, 100);
  EXPECT_EQ(layout.elements(), 0);
  EXPECT_TRUE(layout.buckets().empty());
}

TEST(FlatLayout, OneGatherTakesWhatMayBeSentAtOnce) {
  EXPECT_EQ(GatherPart(4, 100), 25);
  EXPECT_EQ(GatherPart(4, 103), 25);
  EXPECT_EQ(GatherPart(4, 1), 1);
  EXPECT_GT(GatherPart(4, 0), int64_t{1} << 50) << "any number";
}

TEST(FlatLayout, ShardsCoverEveryElementOnce) {
  for (int seed = 0; seed < 50; ++seed) {
    std::mt19937 random(seed);
    std::vector<FlatParameter> parameters(random() % 12);
    for (FlatParameter& p : parameters)
      p = {static_cast<int64_t>(random() % 90), random() % 3 == 0};
    const int shards = 1 + static_cast<int>(random() % 4);
    const FlatLayout layout(parameters, shards, 1 + random() % 200);
    std::vector<int> owners(layout.elements());
    int64_t offset = 0;
    for (const Bucket& bucket : layout.buckets()) {
      ASSERT_EQ(layout.ShardOffset(bucket), offset) << "seed " << seed;
      offset += layout.Shard(bucket, 0).size();
      for (int shard = 0; shard < shards; ++shard) {
        const Range own = layout.Shard(bucket, shard);
        for (int64_t i = own.begin; i < own.end; ++i) ++owners[i];
      }
      for (const int parameter : bucket.parameters) {
        const Range place = layout.parameter(parameter);
        EXPECT_EQ(Intersect(place, bucket.range), place) << "seed " << seed;
        EXPECT_EQ(place.begin % 16, 0) << "seed " << seed;
      }
    }
    EXPECT_EQ(offset, layout.shard_elements()) << "seed " << seed;
    EXPECT_THAT(owners, ::testing::Each(1)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace autotp::zero
