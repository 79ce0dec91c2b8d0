// Goal: the heuristics, which look at the dataflow, decide as DeepSpeed's
// parser, which looks at names, where that is right; and are right where it is
// wrong or gives up.
// Method: tests/golden/deepspeed_parser has the blocks of the families with
// what the parser itself said; our re-implementation repeats it, and the
// heuristics on the same family's program are compared, linear by linear.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "coordinator/model/model.h"
#include "coordinator/partition/partition.h"
#include "coordinator/plan/weight_role.h"
#include "coordinator/program/builder.h"
#include "tests/support/deepspeed_parser.h"
#include "tests/support/golden.h"

namespace autotp::plan {
namespace {

using nlohmann::json;
using program::Program;
using program::ValueId;
using ::testing::HasSubstr;
using testing::Module;
using testing::ParserInput;
using testing::ParserOutput;

constexpr int kRanks = 2;

std::vector<Module> ReadModules(const json& modules) {
  static const std::map<std::string, Module::Kind> kinds = {
      {"module", Module::Kind::kModule},
      {"linear", Module::Kind::kLinear},
      {"conv1d", Module::Kind::kConv1d},
      {"layer_norm", Module::Kind::kLayerNorm}};
  std::vector<Module> read;
  for (const json& module : modules) {
    read.push_back({module.at("key"), module.at("type"),
                    kinds.at(module.at("kind")),
                    ReadModules(module.at("children"))});
  }
  return read;
}

struct Recorded {
  ParserInput input;
  ParserOutput output;
};

std::map<std::string, Recorded> ReadRecorded() {
  std::ifstream file(testing::GoldenPath("deepspeed_parser/blocks.json"));
  std::map<std::string, Recorded> recorded;
  for (const json& entry : json::parse(file)) {
    Recorded& one = recorded[entry.at("family")];
    one.input = {entry.at("head"), entry.at("type"),
                 ReadModules(entry.at("block"))};
    if (entry.contains("refused")) {
      one.output.refused = entry.at("refused");
    } else {
      one.output.decisions = entry.at("decisions");
    }
  }
  return recorded;
}

// A post-norm encoder block by bert's names.
Program MakeBert() {
  constexpr int64_t kBatch = 1, kTokens = 4, kWidth = 16, kHeads = 4;
  program::Builder b("bert", kBatch, kTokens);
  auto bert = b.Enter("bert");
  ValueId x = b.Embedding("embeddings.word_embeddings", b.input_ids(),
                          {.rows = 32, .width = kWidth});
  x = b.LayerNorm("embeddings.LayerNorm", x, 1e-5, true);
  {
    auto layer = b.Enter("encoder.layer.0");
    const auto heads = [&](const char* name) {
      const ValueId y = b.Linear(name, x, {.out = kWidth, .bias = true});
      return b.Transpose(
          b.Reshape(y, {kBatch, kTokens, kHeads, kWidth / kHeads}), 1, 2);
    };
    const ValueId q = heads("attention.self.query");
    const ValueId k = heads("attention.self.key");
    const ValueId v = heads("attention.self.value");
    const ValueId a =
        b.Reshape(b.Transpose(b.Attention(q, k, v, {.scale = 0.5}), 1, 2),
                  {kBatch, kTokens, kWidth});
    const ValueId o =
        b.Linear("attention.output.dense", a, {.out = kWidth, .bias = true});
    x = b.LayerNorm("attention.output.LayerNorm", b.Add(o, x), 1e-5, true);
    const ValueId h = b.Activation(
        b.Linear("intermediate.dense", x, {.out = 24, .bias = true}), "gelu");
    x = b.LayerNorm(
        "output.LayerNorm",
        b.Add(b.Linear("output.dense", h, {.out = kWidth, .bias = true}), x),
        1e-5, true);
  }
  const ValueId logits = b.Linear("decoder", x, {.out = 32});
  auto program = std::move(b).Finish(b.CrossEntropy(logits, b.labels()));
  EXPECT_TRUE(program.ok()) << program.status();
  return *std::move(program);
}

Program ProgramOf(const std::string& family) {
  if (family == "bert") return MakeBert();
  auto loaded = model::LoadModel(
      {.path = testing::GoldenPath(absl::StrCat("models/", family, "/model")),
       .sequence_length = 8,
       .need_weights = false});
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return loaded.ok() ? std::move(loaded->program) : Program{};
}

partition::Partitioned Heuristics(const Program& program) {
  auto partitioned =
      partition::Partition(program, {.tensor_parallel_size = kRanks});
  EXPECT_TRUE(partitioned.ok()) << partitioned.status();
  return *std::move(partitioned);
}

std::string BlockPrefix(const Program& program) {
  for (const program::Parameter& parameter : program.parameters) {
    const size_t at = parameter.name.find(".0.");
    if (at != std::string::npos) return parameter.name.substr(0, at + 3);
  }
  return "";
}

// "column", "row" or "whole" for each linear of the first block.
std::map<std::string, std::string> Decisions(
    const Program& program, const partition::Partitioned& partitioned) {
  std::map<std::string, std::string> decisions;
  const std::string prefix = BlockPrefix(program);
  const std::vector<WeightRole> roles = WeightRoles(program);
  for (size_t i = 0; i < roles.size(); ++i) {
    absl::string_view name = program.parameters[i].name;
    if (!roles[i].is_linear || !absl::ConsumePrefix(&name, prefix) ||
        !absl::ConsumeSuffix(&name, ".weight"))
      continue;
    const int dim = partitioned.parameters.at(program.parameters[i].name).dim;
    decisions[std::string(name)] = dim < 0 ? "whole"
                                   : (dim == 0) != roles[i].is_transposed
                                       ? "column"
                                       : "row";
  }
  return decisions;
}

// Where a fused weight is cut is a question of its own.
std::map<std::string, std::string> WithoutLayouts(
    std::map<std::string, std::string> decisions) {
  for (auto& [name, how] : decisions) how = how.substr(0, how.find(','));
  return decisions;
}

TEST(DeepSpeedParserTest, OursSaysWhatTheParserSaid) {
  for (const auto& [family, recorded] : ReadRecorded()) {
    const ParserOutput output = testing::ParseBlock(recorded.input);
    EXPECT_EQ(output.refused.empty(), recorded.output.refused.empty())
        << family;
    EXPECT_THAT(recorded.output.refused, HasSubstr(output.refused)) << family;
    EXPECT_EQ(output.decisions, recorded.output.decisions) << family;
  }
}

TEST(DeepSpeedParserTest, HeuristicsDecideAsTheParserWhereThatIsRight) {
  const std::map<std::string, Recorded> recorded = ReadRecorded();
  for (const char* family : {"llama", "mistral", "qwen2", "opt", "gpt_neox",
                             "gptj", "phi", "mixtral", "bert", "bloom"}) {
    const Program program = ProgramOf(family);
    EXPECT_EQ(Decisions(program, Heuristics(program)),
              WithoutLayouts(
                  testing::ParseBlock(recorded.at(family).input).decisions))
        << family;
  }
}

// What is wrong with the parser's answer, and what ours does instead.
class BetterTest : public ::testing::Test {
 protected:
  void Plan(const std::string& family) {
    parser_ = testing::ParseBlock(ReadRecorded().at(family).input);
    program_ = ProgramOf(family);
    partitioned_ = Heuristics(program_);
    prefix_ = BlockPrefix(program_);
  }
  const partition::ParameterCut& Cut(const std::string& name) const {
    return partitioned_.parameters.at(prefix_ + name);
  }

  ParserOutput parser_;
  Program program_;
  partition::Partitioned partitioned_;
  std::string prefix_;
};

// It refuses the family, and does not see its transposed weights.
TEST_F(BetterTest, Gpt2) {
  Plan("gpt2");
  EXPECT_EQ(parser_.refused, "AutoTP not supported for model");
  EXPECT_EQ(Decisions(program_, partitioned_),
            (std::map<std::string, std::string>{{"attn.c_attn", "column"},
                                                {"attn.c_proj", "row"},
                                                {"mlp.c_fc", "column"},
                                                {"mlp.c_proj", "row"}}));
  EXPECT_EQ(Cut("attn.c_attn.weight").blocks.size(), 3u);
}

// It cuts queries, the one key and the one value as if they were one block.
TEST_F(BetterTest, Falcon) {
  Plan("falcon");
  EXPECT_EQ(parser_.decisions.at("self_attention.query_key_value"),
            "column, fused as bloomtype");
  for (const partition::CutClass& one : partitioned_.classes) {
    if (one.name == "attention") {
      EXPECT_FALSE(one.units_per_rank.empty());
    }
  }
  EXPECT_EQ(Cut("self_attention.dense.weight").dim, 1);
}

// Its linears are right, but every rank takes the slopes of a smaller model.
TEST_F(BetterTest, Bloom) {
  Plan("bloom");
  std::vector<std::vector<int64_t>> taken;  // [rank] of the table of slopes
  for (const Program& local : partitioned_.locals) {
    ValueId table = program::kNoValue;
    for (const program::Node& node : local.nodes) {
      if (node.operation == program::Operation::kAlibiTable) {
        table = node.outputs[0];
      } else if (node.operation == program::Operation::kTake &&
                 node.inputs[0] == table) {
        taken.push_back(program::IntegersOf(node, "intervals"));
        break;
      }
    }
  }
  EXPECT_EQ(taken, (std::vector<std::vector<int64_t>>{{0, 2}, {2, 4}}));
}

// Its own plan names a style that DeepSpeed refuses, and with it the plan.
TEST_F(BetterTest, Phi3) {
  Plan("phi3");
  EXPECT_EQ(WithoutLayouts(parser_.decisions),
            Decisions(program_, partitioned_));
  EXPECT_EQ(Cut("self_attn.qkv_proj.weight").blocks.size(), 3u);
  EXPECT_EQ(Cut("mlp.gate_up_proj.weight").blocks.size(), 2u);
}

// It cuts queries and keys before norms of their full width, which stay whole:
// shapes that do not fit. Here the norms are cut, and their sums exchanged.
TEST_F(BetterTest, Olmo2) {
  Plan("olmo2");
  EXPECT_EQ(WithoutLayouts(parser_.decisions),
            Decisions(program_, partitioned_));
  EXPECT_EQ(Cut("self_attn.q_norm.weight").dim, 0);
  EXPECT_EQ(Cut("self_attn.k_norm.weight").dim, 0);
}

}  // namespace
}  // namespace autotp::plan
