// The layouts in which families fuse their projections, cut by plain rules.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/partition/partition.h"
#include "coordinator/program/builder.h"
#include "tests/support/program_interpreter.h"
#include "tests/unit/coordinator/plan/plan_testing.h"

namespace autotp::plan {
namespace {

using program::Builder;
using program::Intervals;
using program::Program;
using program::ValueId;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kColumn = config::PartitionType::kColumn;
constexpr auto kRow = config::PartitionType::kRow;
constexpr int64_t kBatch = 1;
constexpr int64_t kTokens = 4;
constexpr int64_t kWidth = 8;
constexpr int64_t kHead = 2;  // width of one
constexpr int64_t kVocabulary = 9;
constexpr int64_t kAny = -1;
constexpr char kFused[] = "query_key_value.weight";

ValueId Heads(Builder& b, ValueId x, int64_t count) {
  return b.Transpose(b.Reshape(x, {kBatch, kTokens, count, kHead}), 1, 2);
}

ValueId Joined(Builder& b, ValueId x, int64_t heads) {
  return b.Reshape(b.Transpose(x, 1, 2), {kBatch, kTokens, heads * kHead});
}

Program Closed(Builder& b, ValueId x) {
  const ValueId logits = b.Linear("lm_head", x, {.out = kVocabulary});
  auto program = std::move(b).Finish(b.CrossEntropy(logits, b.labels()));
  EXPECT_TRUE(program.ok()) << program.status();
  return *std::move(program);
}

// Groups of `per_group` query heads, a key head and a value head each: bloom
// and gpt_neox with one query head, falcon's 40B layout with several.
Program Interleaved(int64_t groups, int64_t per_group) {
  Builder b("interleaved", kBatch, kTokens);
  const ValueId x = b.Embedding("embed", b.input_ids(),
                                {.rows = kVocabulary, .width = kWidth});
  const int64_t heads = per_group + 2;
  const ValueId all =
      b.Reshape(b.Linear("query_key_value", x,
                         {.out = groups * heads * kHead, .bias = true}),
                {kBatch, kTokens, groups, heads, kHead});
  const ValueId q = b.Slice(all, 3, 0, per_group);
  const ValueId k = b.Slice(all, 3, per_group, per_group + 1);
  const ValueId v = b.Slice(all, 3, per_group + 1, heads);
  const int64_t query_heads = groups * per_group;
  const ValueId a = b.Attention(Heads(b, q, query_heads), Heads(b, k, groups),
                                Heads(b, v, groups), {.scale = 0.7});
  const ValueId y = b.Linear("dense", Joined(b, a, query_heads),
                             {.out = kWidth, .bias = true});
  return Closed(b, b.Add(x, y));
}

// Attention and MLP beside each other into one output weight [8, 8 + 6].
Program JoinedOutput() {
  Builder b("joined", kBatch, kTokens);
  const ValueId x = b.Embedding("embed", b.input_ids(),
                                {.rows = kVocabulary, .width = kWidth});
  const ValueId q = Heads(b, b.Linear("q", x, {.out = 8}), 4);
  const ValueId k = Heads(b, b.Linear("k", x, {.out = 8}), 4);
  const ValueId v = Heads(b, b.Linear("v", x, {.out = 8}), 4);
  const ValueId a = Joined(b, b.Attention(q, k, v, {.scale = 0.7}), 4);
  const ValueId m = b.Activation(b.Linear("up", x, {.out = 6}), "gelu");
  const ValueId y = b.Linear("out", b.Concat({a, m}, 2), {.out = kWidth});
  return Closed(b, b.Add(x, y));
}

struct Outcome {
  Placed placed;
  partition::Partitioned partitioned;
};

// The local programs compute what the whole one does.
Outcome PlaceAndCheck(const Program& whole,
                      const config::TensorParallelRequest& request) {
  Outcome outcome{PlaceAll(request, whole, {"other", {}}), {}};
  EXPECT_FALSE(outcome.placed.diagnostics.has_error())
      << ::testing::PrintToString(outcome.placed.Reasons());
  partition::PartitionOptions options;
  options.tensor_parallel_size = static_cast<int>(request.size);
  for (const auto& [name, placement] : outcome.placed.by_name) {
    options.requests[name] = placement.request;
  }
  auto partitioned = partition::Partition(whole, options);
  EXPECT_TRUE(partitioned.ok()) << partitioned.status();
  outcome.partitioned = *std::move(partitioned);
  const absl::Status status = autotp::testing::CompareWithWhole(
      whole, outcome.partitioned.locals,
      autotp::testing::RandomParameters(whole, 3),
      autotp::testing::RandomInputs(whole, kVocabulary, 3), 1e-9);
  EXPECT_TRUE(status.ok()) << status;
  for (const partition::CollectiveUse& use : outcome.partitioned.collectives) {
    EXPECT_NE(use.operation, program::Operation::kAllGather) << use.reason;
  }
  return outcome;
}

config::TensorParallelRequest Rules(std::vector<config::ShapeEntry> shape = {},
                                    int64_t partition_dim = 0) {
  config::LayerSpec fused = Spec("query_key_value", kColumn);
  fused.shape = std::move(shape);
  fused.partition_dim = partition_dim;
  return WithSpecs({fused, Spec("dense", kRow)});
}

TEST(FusedLayoutsTest, InterleavedHeadsAreCutByWholeGroups) {
  for (const int64_t per_group : {1, 3}) {
    const Program whole = Interleaved(/*groups=*/4, per_group);
    const int64_t rows = (per_group + 2) * kHead;
    const Outcome outcome = PlaceAndCheck(whole, Rules());
    const partition::ParameterCut& cut =
        outcome.partitioned.parameters.at(kFused);
    EXPECT_EQ(cut.ranks[0], (Intervals{{0, 2 * rows}}));
    EXPECT_EQ(cut.ranks[1], (Intervals{{2 * rows, 4 * rows}}));
    // Contiguous in DeepSpeed as well: nothing to say.
    EXPECT_THAT(outcome.placed.Reasons(), Not(Contains("FUSED_WEIGHT")));
    config::TensorParallelRequest uneven = Rules();
    uneven.size = 3;
    EXPECT_EQ(
        PlaceAndCheck(whole, uneven).partitioned.parameters.at(kFused).ranks[0],
        (Intervals{{0, 2 * rows}}));
  }
}

TEST(FusedLayoutsTest, ShapesOfInterleavedHeads) {
  const Program whole = Interleaved(/*groups=*/4, /*per_group=*/1);
  PlaceAndCheck(whole, Rules({kAny, 6, kWidth}, 0));
  // One head's q, k and v in blocks: not what the model does.
  const Placed thirds = PlaceAll(Rules({3, kAny}, 0), whole, {"other", {}});
  EXPECT_THAT(thirds.First("SHAPE_CONTRADICTS_MODEL").message(),
              HasSubstr("has the blocks 8 + 8 + 8, but the model computes "
                        "with 24"));
}

TEST(FusedLayoutsTest, AJoinedInputIsCutBlockByBlock) {
  const Program whole = JoinedOutput();
  config::LayerSpec out = Spec("out", kRow);
  const std::vector<config::LayerSpec> others = {Spec("q|k|v|up", kColumn)};
  const auto rules = [&](std::vector<config::ShapeEntry> shape) {
    out.shape = std::move(shape);
    return WithSpecs({others[0], out});
  };
  for (const std::vector<config::ShapeEntry>& shape :
       std::vector<std::vector<config::ShapeEntry>>{
           {}, {kAny, std::vector<int64_t>{8, 6}}}) {
    const Outcome outcome = PlaceAndCheck(whole, rules(shape));
    const partition::ParameterCut& cut =
        outcome.partitioned.parameters.at("out.weight");
    EXPECT_EQ(cut.dim, 1);
    EXPECT_EQ(cut.ranks[0], (Intervals{{0, 4}, {8, 11}}));
    EXPECT_EQ(cut.ranks[1], (Intervals{{4, 8}, {11, 14}}));
  }
  const Placed halves = PlaceAll(rules({kAny, 2}), whole, {"other", {}});
  EXPECT_THAT(halves.First("SHAPE_CONTRADICTS_MODEL").message(),
              HasSubstr("7 + 7, but the model computes with 8 + 6"));
}

}  // namespace
}  // namespace autotp::plan
