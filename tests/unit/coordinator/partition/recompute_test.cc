// Goal: regions are blocks, or what is cheap for its size; exchanges between
// ranks are in none.
#include "coordinator/partition/recompute.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "coordinator/partition/partition.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/coordinator/partition/models.h"

namespace autotp::partition {
namespace {

using program::Node;
using program::Operation;
using program::Program;
using ::testing::ElementsAre;

Program Local(const Program& program, int ranks,
              v1::Recomputation recomputation) {
  const absl::StatusOr<Partitioned> result =
      Partition(program, {.tensor_parallel_size = ranks,
                          .fullest_only = true,
                          .recomputation = recomputation});
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? result->locals[0] : Program{};
}

// Operations by region, in order.
std::map<int, std::vector<std::string>> Regions(const Program& program) {
  std::map<int, std::vector<std::string>> regions;
  for (const Node& node : program.nodes)
    regions[node.recompute_region].emplace_back(OperationName(node.operation));
  return regions;
}

TEST(RecomputeTest, NothingIsAgainUnlessAskedFor) {
  EXPECT_EQ(Regions(Local(MakeLlama({}), 2, v1::RECOMPUTATION_NONE)).size(),
            1u);
}

TEST(RecomputeTest, ABlockIsARegionButForItsExchanges) {
  for (int ranks : {1, 2}) {
    const Program local = Local(MakeLlama({}), ranks, v1::RECOMPUTATION_BLOCK);
    EXPECT_EQ(Regions(local).size(), 3u);  // and what is in no block
    for (const Node& node : local.nodes) {
      const bool in_block = node.scope.find("layers.") != std::string::npos;
      if (node.operation == Operation::kAllReduce) {
        EXPECT_EQ(node.recompute_region, 0) << node.scope;
      } else if (in_block) {
        EXPECT_EQ(node.recompute_region,
                  node.scope.find("layers.0") != std::string::npos ? 1 : 2)
            << node.scope;
      } else {
        EXPECT_EQ(node.recompute_region, 0) << node.scope;
      }
    }
  }
}

TEST(RecomputeTest, ANormThatAsksOtherRanksIsNotAgain) {
  LlamaShape shape;
  shape.full_norms = true;
  for (const v1::Recomputation recomputation :
       {v1::RECOMPUTATION_BLOCK, v1::RECOMPUTATION_SELECTIVE}) {
    const Program local = Local(MakeLlama(shape), 2, recomputation);
    int norms = 0;
    for (const Node& node : local.nodes) {
      if (node.attributes.count("size") == 0) continue;
      ++norms;
      EXPECT_EQ(node.recompute_region, 0) << node.scope;
    }
    EXPECT_EQ(norms, 4);
  }
}

TEST(RecomputeTest, SelectiveDropsWhatLinearsAloneKeep) {
  LlamaShape shape;
  shape.layers = 1;
  auto regions =
      Regions(Local(MakeLlama(shape), 1, v1::RECOMPUTATION_SELECTIVE));
  ASSERT_EQ(regions.size(), 4u);
  EXPECT_THAT(regions[1],
              ElementsAre("rms_norm", "linear", "linear", "linear"));
  EXPECT_THAT(regions[2], ElementsAre("rms_norm", "linear", "linear"));
  EXPECT_THAT(regions[3], ElementsAre("gated_activation", "linear"));

  // Cut, the norm is read through a copy, which is nothing to run again.
  regions = Regions(Local(MakeLlama(shape), 2, v1::RECOMPUTATION_SELECTIVE));
  EXPECT_THAT(regions[2], ElementsAre("rms_norm", "copy", "linear", "linear"));

  // Heads' norms are kept by the attention anyway, once they are turned.
  shape.head_norms = true;
  regions = Regions(Local(MakeLlama(shape), 1, v1::RECOMPUTATION_SELECTIVE));
  EXPECT_EQ(regions.size(), 4u);
}

TEST(RecomputeTest, SelectiveRegionsDoNotReachIntoEachOther) {
  Gpt2Shape shape;
  shape.parallel = true;
  for (int norms : {1, 2}) {
    shape.norms = norms;
    const Program local =
        Local(MakeGpt2(shape), 1, v1::RECOMPUTATION_SELECTIVE);
    std::set<int> left;
    int current = 0;
    for (const Node& node : local.nodes) {
      const int region = node.recompute_region;
      if (region == 0 || region == current) continue;
      EXPECT_TRUE(left.insert(region).second) << "again in region " << region;
      current = region;
    }
    EXPECT_GE(left.size(), 4u);
  }
}

}  // namespace
}  // namespace autotp::partition
