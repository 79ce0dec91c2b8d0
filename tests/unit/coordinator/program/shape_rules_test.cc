#include "coordinator/program/shape_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace autotp::program {
namespace {

using ::testing::HasSubstr;
using Shape = std::vector<int64_t>;

Value Numbers(Shape shape) { return {"", std::move(shape), ValueKind::kFloat}; }
Value Indices(Shape shape) { return {"", std::move(shape), ValueKind::kIndex}; }

struct Case {
  Operation operation;
  std::vector<Value> inputs;
  Attributes attributes;
  std::vector<Shape> outputs;  // if it fits
  std::string error;           // part of the message, if it does not
};

absl::StatusOr<std::vector<Value>> Infer(const Case& c) {
  Node node{c.operation, {}, {}, c.attributes, ""};
  std::vector<const Value*> inputs;
  for (const Value& value : c.inputs) {
    node.inputs.push_back(static_cast<ValueId>(inputs.size()));
    inputs.push_back(&value);
  }
  return InferOutputs(node, inputs);
}

void Check(const std::vector<Case>& cases) {
  for (size_t i = 0; i < cases.size(); ++i) {
    const Case& c = cases[i];
    SCOPED_TRACE(testing::Message()
                 << "case " << i << ": " << OperationName(c.operation));
    const absl::StatusOr<std::vector<Value>> outputs = Infer(c);
    if (!c.error.empty()) {
      EXPECT_THAT(std::string(outputs.status().message()), HasSubstr(c.error));
      continue;
    }
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    std::vector<Shape> shapes;
    for (const Value& value : *outputs) shapes.push_back(value.shape);
    EXPECT_EQ(shapes, c.outputs);
  }
}

TEST(ShapeRulesTest, EveryOperationHasANameThatLeadsBack) {
  for (int i = 0; i <= static_cast<int>(Operation::kTake); ++i) {
    const auto operation = static_cast<Operation>(i);
    EXPECT_EQ(OperationByName(OperationName(operation)), operation);
  }
  EXPECT_EQ(OperationByName("nothing"), std::nullopt);
}

TEST(ShapeRulesTest, LayersWithWeights) {
  using enum Operation;
  Check({
      {kEmbedding, {Numbers({9, 4}), Indices({2, 3})}, {}, {{2, 3, 4}}, ""},
      {kEmbedding,
       {Numbers({9, 4}), Numbers({2, 3})},
       {},
       {},
       "ids holds numbers"},
      {kEmbedding,
       {Numbers({3, 4}), Indices({2, 3})},
       {{"row_begin", int64_t{3}}, {"row_end", int64_t{6}}},
       {{2, 3, 4}},
       ""},
      {kEmbedding,
       {Numbers({3, 4}), Indices({2, 3})},
       {{"row_begin", int64_t{3}}, {"row_end", int64_t{7}}},
       {},
       "rows [3, 7) do not fit the 3 rows"},
      {kLinear, {Numbers({2, 3, 4}), Numbers({5, 4})}, {}, {{2, 3, 5}}, ""},
      {kLinear, {Numbers({2, 3, 4}), Numbers({0, 4})}, {}, {{2, 3, 0}}, ""},
      {kLinear,
       {Numbers({3, 4}), Numbers({5, 4}), Numbers({5})},
       {},
       {{3, 5}},
       ""},
      {kLinear,
       {Numbers({3, 4}), Numbers({5, 6})},
       {},
       {},
       "does not end in the 6 columns"},
      {kLinear,
       {Numbers({3, 4}), Numbers({5, 4}), Numbers({4})},
       {},
       {},
       "bias has shape [4], needs [5]"},
      {kRmsNorm,
       {Numbers({3, 4}), Numbers({4})},
       {{"eps", 1e-5}},
       {{3, 4}},
       ""},
      {kRmsNorm,
       {Numbers({3, 4}), Numbers({3})},
       {{"eps", 1e-5}},
       {},
       "weight has shape [3], needs [4]"},
      {kLayerNorm,
       {Numbers({3, 4}), Numbers({4}), Numbers({4})},
       {{"eps", 1e-5}},
       {{3, 4}},
       ""},
      {kCrossEntropy, {Numbers({2, 3, 9}), Indices({2, 3})}, {}, {{}}, ""},
      {kCrossEntropy,
       {Numbers({2, 3, 9}), Indices({3, 2})},
       {},
       {},
       "labels has shape [3,2]"},
      {kCrossEntropy,
       {Numbers({2, 3, 4}), Indices({2, 3})},
       {{"row_begin", int64_t{0}}, {"row_end", int64_t{9}}},
       {},
       "do not fit the 4 rows"},
  });
}

TEST(ShapeRulesTest, Attention) {
  using enum Operation;
  const std::vector<double> inv_freq = {1.0, 0.5};
  const Attributes scale = {{"scale", 0.5}};
  Check({
      {kRotaryTable,
       {},
       {{"inv_freq", inv_freq}, {"length", int64_t{3}}},
       {{3, 4}, {3, 4}},
       ""},
      {kRotaryTable,
       {},
       {{"inv_freq", inv_freq}, {"length", int64_t{0}}},
       {},
       "length 0"},
      {kRotary,
       {Numbers({2, 6, 3, 4}), Numbers({3, 4}), Numbers({3, 4})},
       {},
       {{2, 6, 3, 4}},
       ""},
      {kRotary,
       {Numbers({2, 6, 5, 4}), Numbers({3, 4}), Numbers({3, 4})},
       {},
       {},
       "cos has shape [3,4], needs [5,4]"},
      {kAttention,
       {Numbers({2, 6, 3, 4}), Numbers({2, 2, 3, 4}), Numbers({2, 2, 3, 4})},
       scale,
       {{2, 6, 3, 4}},
       ""},
      {kAttention,
       {Numbers({2, 0, 3, 4}), Numbers({2, 0, 3, 4}), Numbers({2, 0, 3, 4})},
       scale,
       {{2, 0, 3, 4}},
       ""},
      {kAttention,
       {Numbers({2, 6, 3, 4}), Numbers({2, 4, 3, 4}), Numbers({2, 4, 3, 4})},
       scale,
       {},
       "6 query heads are no multiple of 4"},
      {kAttention,
       {Numbers({2, 0, 3, 4}), Numbers({2, 2, 3, 4}), Numbers({2, 2, 3, 4})},
       scale,
       {},
       "0 query heads are no multiple of 2"},
      {kAttention,
       {Numbers({2, 6, 3, 4}), Numbers({2, 2, 3, 4}), Numbers({2, 2, 3, 5})},
       scale,
       {{2, 6, 3, 5}},
       ""},
      {kAttention,
       {Numbers({2, 6, 3, 4}), Numbers({2, 2, 3, 4}), Numbers({2, 3, 3, 4})},
       scale,
       {},
       "v has shape"},
      {kAttention,
       {Numbers({2, 6, 3, 4}), Numbers({2, 2, 7, 4}), Numbers({2, 2, 7, 4})},
       scale,
       {},
       "k has shape [2,2,7,4], needs [2,2,3,4]"},
      {kAttention,
       {Numbers({2, 6, 3, 4}), Numbers({2, 2, 7, 4}), Numbers({2, 2, 7, 4})},
       {{"scale", 0.5}, {"causal", false}},
       {{2, 6, 3, 4}},
       ""},
      {kAttention,
       {Numbers({2, 6, 3, 4}), Numbers({2, 2, 7, 4}), Numbers({2, 2, 7, 4})},
       {{"scale", 0.5}, {"causal", false}, {"window", int64_t{2}}},
       {},
       "k has shape [2,2,7,4], needs [2,2,3,4]"},
  });
}

TEST(ShapeRulesTest, WhatFamiliesAskForBeside) {
  using enum Operation;
  const auto limited = [](const char* kind, double limit) {
    return Attributes{{"kind", std::string(kind)}, {"limit", limit}};
  };
  const std::vector<double> slopes = {0.5, 0.25};
  Check({
      {kLinear,
       {Numbers({3, 4}), Numbers({4, 5}), Numbers({5})},
       {{"transposed", true}},
       {{3, 5}},
       ""},
      {kLinear,
       {Numbers({3, 4}), Numbers({5, 4})},
       {{"transposed", true}},
       {},
       "does not end in the 5 rows"},
      {kRmsNorm,
       {Numbers({3, 4}), Numbers({4})},
       {{"eps", 1e-5}, {"size", int64_t{9}}},
       {{3, 4}},
       ""},
      {kRmsNorm,
       {Numbers({3, 4}), Numbers({4})},
       {{"eps", 1e-5}, {"size", int64_t{3}}},
       {},
       "'size' is 3, but 4 are here"},
      {kLayerNorm, {Numbers({3, 4})}, {{"eps", 1e-5}}, {{3, 4}}, ""},
      {kRotary,
       {Numbers({2, 6, 3, 8}), Numbers({3, 6}), Numbers({3, 6})},
       {{"interleaved", true}},
       {{2, 6, 3, 8}},
       ""},
      {kRotary,
       {Numbers({2, 6, 3, 8}), Numbers({3, 10}), Numbers({3, 10})},
       {},
       {},
       "cos has 10 columns, x has 8 channels"},
      {kAlibiTable,
       {},
       {{"slopes", slopes}, {"length", int64_t{3}}},
       {{2, 3}},
       ""},
      {kAttention,
       {Numbers({1, 2, 3, 4}), Numbers({1, 1, 3, 4}), Numbers({1, 1, 3, 4}),
        Numbers({2, 3})},
       {{"scale", 0.5}, {"soft_cap", 2.0}},
       {{1, 2, 3, 4}},
       ""},
      {kAttention,
       {Numbers({1, 2, 3, 4}), Numbers({1, 1, 3, 4}), Numbers({1, 1, 3, 4}),
        Numbers({1, 3})},
       {{"scale", 0.5}},
       {},
       "bias has shape [1,3], needs [2,3]"},
      {kActivation, {Numbers({2})}, limited("soft_cap", 30), {{2}}, ""},
      {kActivation,
       {Numbers({2})},
       limited("clamp", 0),
       {},
       "needs a positive"},
      {kGatedActivation,
       {Numbers({2}), Numbers({2})},
       {{"kind", std::string("clamp")}},
       {},
       "is unknown"},
      {kStack, {Numbers({2, 3}), Numbers({2, 3})}, {}, {{2, 2, 3}}, ""},
      {kStack, {Numbers({2, 3}), Numbers({3})}, {}, {}, "input 1 has shape"},
  });
}

TEST(ShapeRulesTest, MixturesOfExperts) {
  using enum Operation;
  const auto router = [](int64_t top_k, int64_t groups, int64_t top_groups) {
    return Attributes{{"top_k", top_k},
                      {"scores", std::string("softmax")},
                      {"groups", groups},
                      {"top_groups", top_groups}};
  };
  const Attributes experts = {{"kind", std::string("silu")},
                              {"count", int64_t{1}}};
  const Value x = Numbers({2, 3, 8});
  const Value weights = Numbers({2, 3, 2});
  const Value chosen = Indices({2, 3, 2});
  Check({
      {kRouter,
       {Numbers({2, 3, 6})},
       router(2, 3, 1),
       {{2, 3, 2}, {2, 3, 2}},
       ""},
      {kRouter, {Numbers({2, 3, 6})}, router(3, 3, 1), {}, "2 are to choose"},
      {kRouter, {Numbers({2, 3, 6})}, router(2, 4, 1), {}, "4 equal groups"},
      {kRouter, {Numbers({2, 3, 6})}, router(2, 6, 2), {}, "two best"},
      {kRouter, {Numbers({2, 3, 6})}, router(2, 3, 4), {}, "'top_groups' is 4"},
      {kRouter,
       {Numbers({2, 3, 6}), Numbers({5})},
       router(2, 1, 1),
       {},
       "bias has shape [5]"},
      {kExperts,
       {x, weights, chosen, Numbers({5, 8}), Numbers({5, 8}), Numbers({8, 5})},
       experts,
       {{2, 3, 8}},
       ""},
      {kExperts,
       {x, weights, chosen, Numbers({5, 8}), Numbers({4, 8}), Numbers({8, 5})},
       experts,
       {},
       "up 0 has shape [4,8], needs [5,8]"},
      {kExperts,
       {x, weights, weights, Numbers({5, 8}), Numbers({5, 8}), Numbers({8, 5})},
       experts,
       {},
       "needs indices"},
      {kRouterLoss,
       {Numbers({2, 3, 6}), Numbers({2, 3, 6})},
       {{"top_k", int64_t{2}}},
       {{}},
       ""},
      {kRouterLoss,
       {Numbers({2, 3, 6}), Numbers({2, 3, 5})},
       {{"top_k", int64_t{2}}},
       {},
       "input 1 has shape"},
      {kExpand,
       {Numbers({2, 1, 6})},
       {{"dim", int64_t{1}}, {"size", int64_t{4}}},
       {{2, 4, 6}},
       ""},
      {kExpand,
       {Numbers({2, 2, 6})},
       {{"dim", int64_t{1}}, {"size", int64_t{4}}},
       {},
       "can't be repeated"},
  });
}

TEST(ShapeRulesTest, ElementwiseAndMovement) {
  using enum Operation;
  const Attributes silu = {{"kind", std::string("silu")}};
  Check({
      {kActivation, {Numbers({2, 3})}, silu, {{2, 3}}, ""},
      {kActivation,
       {Numbers({2, 3})},
       {{"kind", std::string("swoosh")}},
       {},
       "'swoosh' is unknown"},
      {kGatedActivation,
       {Numbers({2, 3}), Numbers({2, 3})},
       silu,
       {{2, 3}},
       ""},
      {kGatedActivation,
       {Numbers({2, 3}), Numbers({2, 4})},
       silu,
       {},
       "up has shape"},
      {kAdd, {Numbers({2, 3}), Numbers({3})}, {}, {{2, 3}}, ""},
      {kAdd, {Numbers({2, 3}), Numbers({2, 1})}, {}, {{2, 3}}, ""},
      {kAdd, {Numbers({3}), Numbers({2, 3})}, {}, {}, "does not broadcast"},
      {kMul, {Numbers({2, 3}), Numbers({2})}, {}, {}, "does not broadcast"},
      {kScale, {Numbers({2, 3})}, {{"factor", int64_t{2}}}, {{2, 3}}, ""},
      {kDropout,
       {Numbers({2, 3})},
       {{"probability", 0.1}, {"stream", int64_t{0}}},
       {{2, 3}},
       ""},
      {kDropout,
       {Numbers({2, 3})},
       {{"probability", 0.1},
        {"stream", int64_t{0}},
        {"dim", int64_t{1}},
        {"size", int64_t{9}},
        {"intervals", Shape{0, 1, 7, 9}}},
       {{2, 3}},
       ""},
      {kDropout,
       {Numbers({2, 3})},
       {{"probability", 1.1}, {"stream", int64_t{0}}},
       {},
       "not between 0 and 1"},
      {kDropout,
       {Numbers({3})},
       {{"probability", 0.1}, {"stream", int64_t{0}}},
       {},
       "no dimension of sequences"},
      {kDropout,
       {Numbers({2, 3})},
       {{"probability", 0.1},
        {"stream", int64_t{0}},
        {"dim", int64_t{1}},
        {"size", int64_t{9}},
        {"intervals", Shape{0, 1, 7, 8}}},
       {},
       "intervals of length 2"},
      {kDropout,
       {Numbers({2, 3})},
       {{"probability", 0.1},
        {"stream", int64_t{0}},
        {"dim", int64_t{1}},
        {"size", int64_t{8}},
        {"intervals", Shape{0, 1, 7, 9}}},
       {},
       "outside of [0, 8)"},
      {kReshape,
       {Numbers({2, 6})},
       {{"shape", Shape{2, 2, 3}}},
       {{2, 2, 3}},
       ""},
      {kReshape,
       {Numbers({2, 6})},
       {{"shape", Shape{-2, -6}}},
       {},
       "does not have the elements"},
      {kTranspose,
       {Numbers({2, 3, 4})},
       {{"a", int64_t{0}}, {"b", int64_t{2}}},
       {{4, 3, 2}},
       ""},
      {kTranspose,
       {Numbers({2, 3})},
       {{"a", int64_t{0}}, {"b", int64_t{2}}},
       {},
       "'b' is 2"},
      {kSlice,
       {Numbers({2, 6})},
       {{"dim", int64_t{1}}, {"begin", int64_t{2}}, {"end", int64_t{5}}},
       {{2, 3}},
       ""},
      {kSlice,
       {Numbers({2, 6})},
       {{"dim", int64_t{1}}, {"begin", int64_t{2}}, {"end", int64_t{7}}},
       {},
       "[2, 7) does not lie in dimension 1"},
      {kConcat,
       {Numbers({2, 3}), Numbers({2, 4}), Numbers({2, 1})},
       {{"dim", int64_t{1}}},
       {{2, 8}},
       ""},
      {kConcat,
       {Numbers({2, 3}), Numbers({3, 4})},
       {{"dim", int64_t{1}}},
       {},
       "input 1 has shape [3,4], needs [2,4]"},
  });
}

TEST(ShapeRulesTest, Collectives) {
  using enum Operation;
  const auto intervals = [](int64_t dim, int64_t size, Shape numbers) {
    return Attributes{
        {"dim", dim}, {"size", size}, {"intervals", std::move(numbers)}};
  };
  const auto of_rank = [&](int64_t dim, int64_t size, Shape numbers,
                           int64_t rank) {
    Attributes all = intervals(dim, size, std::move(numbers));
    all["rank"] = rank;
    return all;
  };
  Check({
      {kCopy, {Numbers({2, 3})}, {}, {{2, 3}}, ""},
      {kAllReduce, {Indices({2, 3})}, {}, {}, "holds indices"},
      {kAllGather,
       {Numbers({2, 3})},
       intervals(1, 8, {1, 0, 3, 1, 3, 8}),
       {{2, 8}},
       ""},
      {kAllGather,
       {Numbers({2, 3})},
       intervals(1, 9, {1, 0, 3, 1, 3, 8}),
       {},
       "do not cover dimension 1 of size 9"},
      {kAllGather,
       {Numbers({2, 4})},
       intervals(1, 8, {1, 0, 3, 1, 3, 8}),
       {},
       "no rank owns 4"},
      {kReduceScatter,
       {Numbers({2, 8})},
       of_rank(1, 8, {1, 0, 3, 1, 3, 8}, 1),
       {{2, 5}},
       ""},
      {kReduceScatter,
       {Numbers({2, 8})},
       of_rank(1, 8, {1, 0, 3, 1, 3, 7}, 0),
       {},
       "do not cover dimension 1 of size 8"},
      {kReduceScatter,
       {Numbers({2, 8})},
       of_rank(1, 8, {1, 0, 3, 1, 3, 8}, 2),
       {},
       "'rank' is 2 of 2"},
      {kReduceScatter,
       {Numbers({2, 7})},
       of_rank(1, 8, {1, 0, 3, 1, 3, 8}, 0),
       {},
       "'size' is 8"},
      {kTake, {Numbers({2, 8})}, intervals(1, 8, {0, 2, 6, 8}), {{2, 4}}, ""},
      {kTake,
       {Numbers({2, 8})},
       intervals(1, 8, {6, 9}),
       {},
       "[6, 9) does not lie"},
      {kTake, {Numbers({2, 8})}, intervals(1, 9, {0, 2}), {}, "'size' is 9"},
  });
}

}  // namespace
}  // namespace autotp::program
