#include "coordinator/program/builder.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <functional>

namespace autotp::program {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// One block of attention with a tied head: embedding, norm, q k v, rotary,
// attention, o, residual, head, loss.
absl::StatusOr<Program> TinyProgram() {
  Builder b("tiny", 2, 8);
  ValueId x = kNoValue;
  {
    const auto model = b.Enter("model");
    x = b.Embedding("embed_tokens", b.input_ids(),
                    {.rows = 32, .width = 16, .padding_idx = 5});
    const RotaryTables tables = b.RotaryTable({1.0, 0.1}, 8);
    const auto layer = b.Enter("layers.0");
    const ValueId normed = b.RmsNorm("input_layernorm", x, 1e-5);
    const auto heads = [&b](ValueId value, int64_t count) {
      return b.Transpose(b.Reshape(value, {2, 8, count, 4}), 1, 2);
    };
    const ValueId q =
        heads(b.Linear("q_proj", normed, {.out = 16, .bias = true}), 4);
    const ValueId k = heads(b.Linear("k_proj", normed, {.out = 8}), 2);
    const ValueId v = heads(b.Linear("v_proj", normed, {.out = 8}), 2);
    const ValueId attended =
        b.Attention(b.Rotary(q, tables), b.Rotary(k, tables), v,
                    {.scale = 0.5, .window = 4});
    const ValueId joined = b.Reshape(b.Transpose(attended, 1, 2), {2, 8, 16});
    x = b.Add(x, b.Linear("o_proj", joined, {.out = 16}));
  }
  const ValueId logits =
      b.Linear("lm_head", x, {.tied_to = "model.embed_tokens.weight"});
  const ValueId loss = b.CrossEntropy(logits, b.labels());
  return std::move(b).Finish(loss);
}

TEST(BuilderTest, NamesParametersByScopeInOrderOfUse) {
  const absl::StatusOr<Program> program = TinyProgram();
  ASSERT_TRUE(program.ok()) << program.status();
  std::vector<std::string> names;
  for (const Parameter& parameter : program->parameters)
    names.push_back(parameter.name);
  EXPECT_THAT(names, ElementsAre("model.embed_tokens.weight",
                                 "model.layers.0.input_layernorm.weight",
                                 "model.layers.0.q_proj.weight",
                                 "model.layers.0.q_proj.bias",
                                 "model.layers.0.k_proj.weight",
                                 "model.layers.0.v_proj.weight",
                                 "model.layers.0.o_proj.weight"));
  EXPECT_THAT(program->parameters[0].aliases, ElementsAre("lm_head.weight"));
  EXPECT_EQ(program->parameters[0].initialization.zero_row, 5);
  EXPECT_THAT(program->values[program->loss].shape, ElementsAre());
  EXPECT_EQ(program->nodes.back().scope, "");
  EXPECT_EQ(program->nodes.back().operation, Operation::kCrossEntropy);
}

TEST(BuilderTest, KeepsTheFirstMistake) {
  Builder b("broken", 2, 8);
  const auto scope = b.Enter("model.layers.3");
  const ValueId x =
      b.Embedding("embed", b.input_ids(), {.rows = 4, .width = 6});
  const ValueId bad = b.Reshape(x, {2, 8, 4, 2});
  const ValueId after = b.Transpose(bad, 1, 2);
  EXPECT_EQ(after, kNoValue);
  const absl::Status status = std::move(b).Finish(after).status();
  EXPECT_EQ(status.message(),
            "model.layers.3: reshape: [2,8,6] does not have the elements of "
            "[2,8,4,2]");
}

TEST(BuilderTest, RefusesASecondParameterOfTheSameName) {
  Builder b("twice", 1, 1);
  b.Parameter("w", {2}, {});
  b.Parameter("w", {2}, {});
  EXPECT_THAT(std::string(std::move(b).Finish(kNoValue).status().message()),
              HasSubstr("'w' is made twice"));
}

TEST(ConvertTest, ProtoRoundTripKeepsEverything) {
  absl::StatusOr<Program> program = TinyProgram();
  ASSERT_TRUE(program.ok()) << program.status();
  program->parameters[2].source_file = "model.safetensors";
  program->parameters[2].source_tensor = "q";
  program->parameters[2].partial_gradient = true;
  const v1::Program message = ToProto(*program);
  const absl::StatusOr<Program> back = FromProto(message);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(
      message, ToProto(*back)));
  EXPECT_EQ(DescribeProgram(*program), DescribeProgram(*back));
  EXPECT_EQ(back->parameters[0].initialization.zero_row, 5);
  EXPECT_EQ(back->parameters[1].initialization.zero_row, -1);
}

TEST(ConvertTest, RefusesMalformedMessages) {
  const v1::Program good = ToProto(*TinyProgram());
  const auto error = [&good](const std::function<void(v1::Program&)>& change) {
    v1::Program message = good;
    change(message);
    return std::string(FromProto(message).status().message());
  };
  EXPECT_THAT(error([](v1::Program& m) {
                m.mutable_nodes(0)->set_operation("teleport");
              }),
              HasSubstr("node 0: operation 'teleport' is unknown"));
  EXPECT_THAT(error([](v1::Program& m) { m.mutable_values(0)->clear_kind(); }),
              HasSubstr("value kind 0"));
  EXPECT_THAT(
      error([](v1::Program& m) { m.mutable_nodes(0)->set_inputs(0, 12345); }),
      HasSubstr("uses %12345, which is no value"));
  EXPECT_THAT(error([](v1::Program& m) {
                m.mutable_parameters(1)->clear_initialization();
              }),
              HasSubstr("initialization 0 is unknown"));
  EXPECT_THAT(error([](v1::Program& m) { m.set_loss(0); }),
              HasSubstr("needs to be a scalar"));
}

TEST(CheckTest, FindsFaults) {
  const Program good = *TinyProgram();
  const auto error = [&good](const std::function<void(Program&)>& change) {
    Program program = good;
    change(program);
    return std::string(CheckProgram(program).message());
  };
  EXPECT_EQ(error([](Program&) {}), "");
  EXPECT_THAT(error([](Program& p) { std::swap(p.nodes[2], p.nodes[3]); }),
              HasSubstr("before it is made"));
  EXPECT_THAT(error([](Program& p) { p.nodes[2].attributes.erase("eps"); }),
              HasSubstr("attribute 'eps' is missing"));
  EXPECT_THAT(error([](Program& p) { p.nodes[2].attributes["eps"] = "small"; }),
              HasSubstr("has to be a number, not a text"));
  EXPECT_THAT(error([](Program& p) { p.nodes[2].attributes["epz"] = 1.0; }),
              HasSubstr("attribute 'epz' is unknown"));
  EXPECT_THAT(error([](Program& p) { p.nodes[2].inputs.pop_back(); }),
              HasSubstr("takes 2 to 2 inputs, got 1"));
  EXPECT_THAT(error([](Program& p) { p.nodes[2].inputs[1] = kNoValue; }),
              HasSubstr("input 1 is absent"));
  EXPECT_THAT(error([](Program& p) {
                p.values[p.nodes[2].outputs[0]].shape = {2, 8, 17};
              }),
              HasSubstr("the operation yields [2,8,16]"));
  EXPECT_THAT(
      error([](Program& p) { p.nodes[3].outputs = p.nodes[2].outputs; }),
      HasSubstr("a second time"));
  EXPECT_THAT(error([](Program& p) { p.parameters[2].cut_dim = 0; }),
              HasSubstr("needs [0,16]"));
  EXPECT_THAT(
      error([](Program& p) { p.parameters[1].name = "lm_head.weight"; }),
      HasSubstr("taken twice"));
}

TEST(PrinterTest, PrintsOneLineForEachNodeAndParameter) {
  const std::string text = DescribeProgram(*TinyProgram());
  EXPECT_THAT(text, HasSubstr("%2 = model.embed_tokens.weight [32,16] "
                              "normal(0.02) row 5 zero, also lm_head.weight"));
  EXPECT_THAT(text, HasSubstr("= attention("));
  EXPECT_THAT(text, HasSubstr("{scale: 0.5, window: 4}  # model.layers.0"));
}

}  // namespace
}  // namespace autotp::program
