// The reference's table of widths per rank, from rules on whole models.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "coordinator/partition/partition.h"
#include "coordinator/partition/rank_intervals.h"
#include "tests/unit/coordinator/partition/models.h"
#include "tests/unit/coordinator/plan/plan_testing.h"

namespace autotp::plan {
namespace {

constexpr char kQkv[] = "model.layers.0.self_attn.qkv_proj.weight";
constexpr char kGateUp[] = "model.layers.0.mlp.gate_up_proj.weight";

// "4,4 2,2 2,2": of each block the widths on the ranks.
std::string Widths(const partition::ParameterCut& cut) {
  std::vector<std::string> blocks;
  int64_t begin = 0;
  for (const int64_t length : cut.blocks) {
    std::vector<int64_t> widths;
    for (const program::Intervals& own : cut.ranks) {
      widths.push_back(
          program::Length(partition::Window(own, begin, begin + length)));
    }
    blocks.push_back(absl::StrJoin(widths, ","));
    begin += length;
  }
  return absl::StrJoin(blocks, " ");
}

partition::Partitioned Cut(const partition::LlamaShape& shape, int64_t size) {
  config::TensorParallelRequest request = AtSize(size);
  request.preset_model = {"phi3", {}};
  const program::Program whole = partition::MakeLlama(shape);
  const Placed placed = PlaceAll(request, whole, {"phi3", {}});
  partition::PartitionOptions options;
  options.tensor_parallel_size = static_cast<int>(size);
  for (const auto& [name, placement] : placed.by_name) {
    options.requests[name] = placement.request;
  }
  auto partitioned = partition::Partition(whole, options);
  EXPECT_TRUE(partitioned.ok()) << partitioned.status();
  return *std::move(partitioned);
}

TEST(WidthsTest, FusedAttentionByWholeHeads) {
  struct Case {
    int64_t heads;
    int64_t groups;
    int64_t head_width;
    int64_t size;
    std::string widths;
  };
  for (const Case& c : std::vector<Case>{
           {4, 2, 2, 2, "4,4 2,2 2,2"},
           {3, 3, 4, 2, "8,4 8,4 8,4"},
           {6, 3, 2, 2, "8,4 4,2 4,2"},
           {32, 8, 128, 3, "1536,1536,1024 384,384,256 384,384,256"},
           // phi3-medium and chatglm2 at 2, which DeepSpeed cuts in thirds.
           {40, 10, 128, 2, "2560,2560 640,640 640,640"},
           {32, 2, 128, 2, "2048,2048 128,128 128,128"}}) {
    const partition::Partitioned cut = Cut({.layers = 1,
                                            .heads = c.heads,
                                            .groups = c.groups,
                                            .head_width = c.head_width,
                                            .fused = true},
                                           c.size);
    EXPECT_EQ(Widths(cut.parameters.at(kQkv)), c.widths);
  }
}

// Heads that the ranks don't divide, and the output projection with them.
TEST(WidthsTest, AttentionByWholeHeads) {
  const partition::Partitioned cut = Cut(
      {.layers = 1, .heads = 6, .groups = 6, .head_width = 64, .fused = true},
      4);
  EXPECT_EQ(Widths(cut.parameters.at(kQkv)),
            "128,128,64,64 128,128,64,64 128,128,64,64");
  EXPECT_EQ(Widths(cut.parameters.at("model.layers.0.self_attn.o_proj.weight")),
            "128,128,64,64");
}

TEST(WidthsTest, FusedAttentionRows) {
  const partition::Partitioned cut = Cut({.layers = 1,
                                          .heads = 40,
                                          .groups = 10,
                                          .head_width = 128,
                                          .fused = true},
                                         2);
  using program::Intervals;
  EXPECT_EQ(cut.parameters.at(kQkv).ranks[0],
            (Intervals{{0, 2560}, {5120, 5760}, {6400, 7040}}));
  EXPECT_EQ(cut.parameters.at(kQkv).ranks[1],
            (Intervals{{2560, 5120}, {5760, 6400}, {7040, 7680}}));
}

TEST(WidthsTest, FusedMlpHalfByHalf) {
  struct Case {
    int64_t intermediate;
    int64_t size;
    std::string widths;
  };
  for (const Case& c : std::vector<Case>{
           {5, 2, "3,2 3,2"}, {14336, 3, "4779,4779,4778 4779,4779,4778"}}) {
    const partition::Partitioned cut = Cut({.layers = 1,
                                            .heads = 8,
                                            .groups = 8,
                                            .intermediate = c.intermediate,
                                            .fused = true},
                                           c.size);
    const partition::ParameterCut& gate_up = cut.parameters.at(kGateUp);
    EXPECT_EQ(Widths(gate_up), c.widths);
    EXPECT_EQ(gate_up.reason.substr(gate_up.reason.find("; each")),
              absl::StrCat("; each of its blocks ", c.intermediate, " + ",
                           c.intermediate, " cut on its own"));
  }
}

// Heads are never cut for a grain's sake; columns and rows are shared out by
// it.
TEST(WidthsTest, GrainsOfColumnsAndRows) {
  const program::Program whole = partition::MakeLlama({.layers = 1,
                                                       .heads = 6,
                                                       .groups = 3,
                                                       .head_width = 2,
                                                       .intermediate = 100,
                                                       .vocabulary = 150,
                                                       .fused = true});
  partition::PartitionOptions options;
  options.tensor_parallel_size = 2;
  options.grain = 64;
  const auto cut = partition::Partition(whole, options);
  ASSERT_TRUE(cut.ok()) << cut.status();
  EXPECT_EQ(Widths(cut->parameters.at(kQkv)), "8,4 4,2 4,2");
  EXPECT_EQ(Widths(cut->parameters.at(kGateUp)), "64,36 64,36");
  EXPECT_EQ(Widths(cut->parameters.at("model.layers.0.mlp.down_proj.weight")),
            "64,36");
  EXPECT_EQ(Widths(cut->parameters.at("lm_head.weight")), "64,86");
  for (const partition::CutClass& one : cut->classes) {
    if (one.name == "attention") {
      EXPECT_EQ(one.reason.find("multiples"), std::string::npos);
    }
    if (one.name != "mlp") continue;
    EXPECT_EQ(one.units_per_rank, (std::vector<int64_t>{64, 36}));
    EXPECT_EQ(one.reason.substr(0, one.reason.find(':')),
              "cut in multiples of 64");
  }
}

}  // namespace
}  // namespace autotp::plan
