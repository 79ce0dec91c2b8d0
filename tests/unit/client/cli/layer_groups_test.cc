// Goal: names of identical layers become one name; others stay apart.
// Method: a table of names and what they become.
#include "client/cli/layer_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace autotp::cli {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Names(const std::vector<NamedText>& items) {
  std::vector<std::string> names;
  for (const LayerGroup& group : GroupLayers(items))
    names.push_back(group.names);
  return names;
}

TEST(GroupLayersTest, FoldsRunsOfNumbers) {
  EXPECT_THAT(Names({{"embed", "a"},
                     {"layers.0.q", "a"},
                     {"layers.0.k", "a"},
                     {"layers.1.q", "a"},
                     {"layers.2.q", "a"},
                     {"layers.1.k", "b"},
                     {"layers.2.k", "a"},
                     {"layers.7.q", "a"}}),
              ElementsAre("embed", "layers.{0..2,7}.q", "layers.{0,2}.k",
                          "layers.1.k"));
}

TEST(GroupLayersTest, FoldsLayersAndExperts) {
  EXPECT_THAT(Names({{"l.0.e.0.w", ""},
                     {"l.0.e.1.w", ""},
                     {"l.1.e.0.w", ""},
                     {"l.1.e.1.w", ""}}),
              ElementsAre("l.{0..1}.e.{0..1}.w"));
  EXPECT_THAT(Names({{"l.0.e.0.w", ""}, {"l.1.e.1.w", ""}}),
              ElementsAre("l.{0..1}.e.{0..1}.w (2 of these)"));
}

TEST(LayerPatternTest, StarsStandForWholeNumbers) {
  EXPECT_EQ(LayerPattern("h.10.mlp.0.w2"), "h.*.mlp.*.w2");
  EXPECT_EQ(LayerPattern("conv1d.weight"), "conv1d.weight");
}

}  // namespace
}  // namespace autotp::cli
