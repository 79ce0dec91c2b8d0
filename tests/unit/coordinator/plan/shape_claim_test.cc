// The tables of shape and partition_dim: how a view meets a real weight.
#include "coordinator/plan/shape_claim.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "absl/strings/str_cat.h"

namespace autotp::plan {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

using Shape = std::vector<config::ShapeEntry>;
using Sizes = std::vector<int64_t>;

constexpr int64_t kAny = -1;  // inferred

struct Case {
  Sizes weight;
  Shape shape;
  int64_t partition_dim;
  Sizes view;
  Sizes sizes;   // of the blocks at partition_dim
  Sizes blocks;  // along the weight's dimension
  int dim = 0;
  bool count_is_width = false;
};

TEST(ShapeClaimTest, ViewsThatFit) {
  for (const Case& c : std::vector<Case>{
           {{12, 12}, {3, kAny}, 0, {12, 12}, {4, 4, 4}, {4, 4, 4}},
           {{16, 8}, {Sizes{8, 4, 4}, kAny}, 0, {16, 8}, {8, 4, 4}, {8, 4, 4}},
           {{16, 8}, {2, kAny}, 0, {16, 8}, {8, 8}, {8, 8}},
           {{8, 16},
            {kAny, Sizes{8, 4, 4}},
            1,
            {8, 16},
            {8, 4, 4},
            {8, 4, 4},
            1},
           {{8, 16}, {kAny, 2}, 1, {8, 16}, {8, 8}, {8, 8}, 1},
           // An outer dimension repeats what is behind it.
           {{64, 32}, {4, kAny, 32}, 1, {4, 16, 32}, {}, {16, 16, 16, 16}},
           {{64, 32},
            {4, Sizes{8, 8}, 32},
            1,
            {4, 16, 32},
            {8, 8},
            {8, 8, 8, 8, 8, 8, 8, 8}},
           {{12, 4}, {kAny, kAny}, 0, {12, 4}, {}, {}},
           {{12, 4}, {3, 4}, 0, {12, 4}, {4, 4, 4}, {4, 4, 4}},
           {{12, 4}, {1, kAny}, 0, {12, 4}, {12}, {12}},
           // An inner dimension stays together.
           {{12, 4}, {kAny, 6, 4}, 0, {2, 6, 4}, {}, {}},
           {{12, 4}, {Sizes{1, 2}, 4, 4}, 0, {3, 4, 4}, {1, 2}, {4, 8}},
           // A count where a width was meant.
           {{12, 4}, {12, 4}, 0, {12, 4}, Sizes(12, 1), {}, 0, true},
           {{12, 4}, {2, 6, 4}, 0, {2, 6, 4}, {1, 1}, {}, 0, true},
           {{12, 4}, {2, 6, 4}, 1, {2, 6, 4}, Sizes(6, 1), {6, 6}, 0, true}}) {
    const auto claim = ReadShapeClaim(c.shape, c.partition_dim, c.weight);
    const std::string text = ShapeText(c.shape);
    ASSERT_TRUE(claim.ok()) << text << ": " << claim.status();
    EXPECT_EQ(claim->view, c.view) << text;
    EXPECT_EQ(claim->sizes, c.sizes) << text;
    EXPECT_EQ(claim->blocks, c.blocks) << text;
    EXPECT_EQ(claim->dim, c.dim) << text;
    EXPECT_EQ(claim->count_is_width, c.count_is_width) << text;
  }
}

TEST(ShapeClaimTest, RefusesWithTheWeightsRealShape) {
  struct Refusal {
    Sizes weight;
    Shape shape;
    int64_t partition_dim;
    std::string why;
  };
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  for (const Refusal& c : std::vector<Refusal>{
           {{64, 32}, {4, kAny, 32}, 0, "ambiguous"},
           {{64, 32}, {4, Sizes{8, 9}, 32}, 1, "it has 2176 elements"},
           {{10, 4}, {3, kAny}, 0, "10 positions do not make 3 equal blocks"},
           {{12, 4}, {Sizes{5, 5}, kAny}, 0, "40 elements, the weight 48"},
           {{12, 4}, {kAny, kAny, 4}, 0, "ambiguous"},
           {{12, 4}, {3, 5}, 0, "does not divide the weight's 48 elements"},
           {{12, 4}, {6, 8}, 0, "has to be the input dimension 4"},
           {{12, 4}, {48}, 0, "4 elements, the weight 48"},
           {{12}, {3}, 0, "two dimensions"},
           {{12, 4}, {kAny, kHuge, kHuge, 4}, 0, "larger than any weight"},
           {{12, 4}, {Sizes{kHuge, kHuge}, 4}, 0, "larger than any weight"}}) {
    const auto claim = ReadShapeClaim(c.shape, c.partition_dim, c.weight);
    ASSERT_FALSE(claim.ok()) << ShapeText(c.shape);
    const std::string real =
        c.weight.size() == 1
            ? "weight [12]"
            : absl::StrCat("weight [", c.weight[0], ", ", c.weight[1], "]");
    EXPECT_THAT(std::string(claim.status().message()),
                AllOf(HasSubstr(c.why), HasSubstr(real),
                      HasSubstr(ShapeText(c.shape))));
  }
}

TEST(ShapeClaimTest, IsWrittenAsInJson) {
  EXPECT_EQ(ShapeText({4, Sizes{8, 9}, kAny}), "[4, [8, 9], -1]");
}

}  // namespace
}  // namespace autotp::plan
