// Shapes of layer specs against the blocks that the program tells.
#include "coordinator/plan/block_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/unit/coordinator/plan/plan_testing.h"

namespace autotp::plan {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

using Sizes = std::vector<int64_t>;
using Shape = std::vector<config::ShapeEntry>;

constexpr auto kColumn = config::PartitionType::kColumn;
constexpr auto kRow = config::PartitionType::kRow;
constexpr int64_t kAny = -1;

// One spec on the fused llama: qkv_proj [16, 8] = 8 + 4 + 4, gate_up_proj
// [24, 8] = 12 + 12, o_proj [8, 8], down_proj [8, 12].
Placed PlaceFused(const std::string& pattern, config::PartitionType type,
                  Shape shape, int64_t partition_dim) {
  config::LayerSpec spec = Spec(pattern, type);
  spec.shape = std::move(shape);
  spec.partition_dim = partition_dim;
  return PlaceAll(WithSpecs({spec}), TinyLlama(false, /*fused=*/true));
}

struct Case {
  std::string pattern;
  config::PartitionType type;
  Shape shape;
  int64_t partition_dim;
  std::string reason;  // of the error or warning; "": none
};

std::vector<Case> Cases() {
  constexpr char kContradicts[] = "SHAPE_CONTRADICTS_MODEL";
  constexpr char kImpossible[] = "SHAPE_IMPOSSIBLE";
  constexpr char kAgainst[] = "SHAPE_AGAINST_TYPE";
  constexpr char kWidth[] = "SHAPE_COUNT_IS_WIDTH";
  const std::string qkv = ".*qkv_proj";
  const std::string gate_up = ".*gate_up_proj";
  const std::string down = ".*down_proj";
  return {
      // What the model says, in several ways.
      {qkv, kColumn, {Sizes{8, 4, 4}, kAny}, 0, ""},
      {qkv, kColumn, {Sizes{8, 4, 4}, 8}, 0, ""},
      {gate_up, kColumn, {2, kAny}, 0, ""},
      {gate_up, kColumn, {2, 12, 8}, 1, kWidth},
      {gate_up, kColumn, {2, kAny, 8}, 1, ""},
      {gate_up, kColumn, {Sizes{12, 12}, kAny}, 0, ""},
      {down, kRow, {kAny, 12}, 1, kWidth},
      {down, kRow, {8, Sizes{12}}, 1, ""},
      {down, kRow, {kAny, 1}, 1, ""},
      // Nothing of blocks.
      {qkv, kColumn, {kAny, kAny}, 0, ""},
      {qkv, kColumn, {16, 8}, 0, kWidth},
      // Something else.
      {qkv, kColumn, {Sizes{8, 8}, kAny}, 0, kContradicts},
      {qkv, kColumn, {Sizes{4, 4, 8}, kAny}, 0, kContradicts},
      {qkv, kColumn, {2, kAny}, 0, kContradicts},
      {qkv, kColumn, {1, kAny}, 0, kContradicts},
      {qkv, kColumn, {4, kAny, 8}, 1, kContradicts},
      {gate_up, kColumn, {3, kAny}, 0, kContradicts},
      {gate_up, kColumn, {4, kAny}, 0, kContradicts},
      {down, kRow, {kAny, 2}, 1, kContradicts},
      // For no such weight.
      {qkv, kColumn, {3, kAny}, 0, kImpossible},
      {qkv, kColumn, {Sizes{8, 4, 3}, kAny}, 0, kImpossible},
      {qkv, kColumn, {kAny, kAny, 8}, 0, kImpossible},
      {qkv, kColumn, {16, 7}, 0, kImpossible},
      {down, kRow, {kAny, 5}, 1, kImpossible},
      // For the other dimension.
      {qkv, kColumn, {kAny, 2}, 1, kAgainst},
      {down, kRow, {2, kAny}, 0, kAgainst},
  };
}

TEST(BlockCheckTest, ShapesMeetTheProgram) {
  for (const Case& c : Cases()) {
    const Placed placed =
        PlaceFused(c.pattern, c.type, c.shape, c.partition_dim);
    const std::string text =
        absl::StrCat(c.pattern, " ", testing::PrintToString(placed.Reasons()));
    const bool is_error =
        !c.reason.empty() && c.reason != "SHAPE_COUNT_IS_WIDTH";
    EXPECT_EQ(placed.diagnostics.has_error(), is_error) << text;
    for (const char* reason : {"SHAPE_CONTRADICTS_MODEL", "SHAPE_IMPOSSIBLE",
                               "SHAPE_AGAINST_TYPE", "SHAPE_COUNT_IS_WIDTH"}) {
      const v1::Diagnostic diagnostic = placed.First(reason);
      EXPECT_EQ(diagnostic.reason(), c.reason == reason ? reason : "") << text;
      if (c.reason != reason) continue;
      EXPECT_EQ(diagnostic.json_pointer(), "/spec/shape") << text;
      EXPECT_NE(diagnostic.suggestion(), "") << text;
      // The weight's real shape is always there.
      EXPECT_THAT(diagnostic.message(),
                  HasSubstr(c.pattern == ".*qkv_proj"       ? "[16, 8]"
                            : c.pattern == ".*gate_up_proj" ? "[24, 8]"
                                                            : "[8, 12]"))
          << text;
    }
  }
}

TEST(BlockCheckTest, AContradictionNamesBoth) {
  const Placed placed =
      PlaceFused(".*qkv_proj", kColumn, {Sizes{8, 8}, kAny}, 0);
  const v1::Diagnostic diagnostic = placed.First("SHAPE_CONTRADICTS_MODEL");
  EXPECT_EQ(diagnostic.message(),
            "shape [[8, 8], -1] says that "
            "model.layers.0.self_attn.qkv_proj.weight [16, 8] has the blocks 8 "
            "+ 8, but the model computes with 8 + 4 + 4");
  EXPECT_EQ(diagnostic.suggestion(),
            "write \"shape\": [[8, 4, 4], -1], or leave shape out: the blocks "
            "come from the model");
}

TEST(BlockCheckTest, AFusedWeightWithoutShapeIsSaid) {
  const Placed placed = PlaceAll(WithSpecs({Spec(".*qkv_proj", kColumn)}),
                                 TinyLlama(false, /*fused=*/true));
  EXPECT_FALSE(placed.diagnostics.has_error());
  EXPECT_EQ(placed.How("model.layers.0.self_attn.qkv_proj.weight"), "column");
  EXPECT_EQ(placed.How("model.layers.0.self_attn.qkv_proj.bias"), "column");
  EXPECT_THAT(placed.First("FUSED_WEIGHT").message(),
              AllOf(HasSubstr("[16, 8]"), HasSubstr("blocks 8 + 4 + 4")));
  EXPECT_THAT(placed.First("FUSED_WEIGHT").suggestion(),
              HasSubstr("[[8, 4, 4], -1]"));
  EXPECT_THAT(PlaceAll(WithSpecs({Spec(".*proj", kColumn)})).Reasons(),
              Not(Contains("FUSED_WEIGHT")));
}

TEST(BlockCheckTest, SkipHasNoShape) {
  const Placed placed =
      PlaceFused(".*qkv_proj", config::PartitionType::kSkip, {7, kAny}, 1);
  EXPECT_THAT(placed.Reasons(), Contains("SHAPE_WITHOUT_EFFECT"));
  EXPECT_FALSE(placed.diagnostics.has_error());
  EXPECT_EQ(placed.How("model.layers.0.self_attn.qkv_proj.weight"), "whole");
}

}  // namespace
}  // namespace autotp::plan
