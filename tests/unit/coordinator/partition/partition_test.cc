// The whole way: programs of the usual families are partitioned, all ranks
// run, and loss and gradients are those of one rank.
#include "coordinator/partition/partition.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/program_interpreter.h"
#include "tests/unit/coordinator/partition/models.h"

namespace autotp::partition {
namespace {

using program::Operation;
using program::Program;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kTolerance = 1e-9;

Partitioned Split(const Program& program, int ranks,
                  std::map<std::string, ParameterRequest> requests = {}) {
  absl::StatusOr<Partitioned> result = Partition(
      program,
      {.tensor_parallel_size = ranks, .requests = std::move(requests)});
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *std::move(result) : Partitioned{};
}

int64_t VocabularyOf(const Program& program) {
  for (const program::Node& node : program.nodes)
    if (node.operation == Operation::kEmbedding)
      return program.values[node.inputs[0]].shape[0];
  return 1;
}

void ExpectSame(const Program& program, const std::vector<Program>& locals) {
  const absl::Status status = autotp::testing::CompareWithWhole(
      program, locals, autotp::testing::RandomParameters(program, 7),
      autotp::testing::RandomInputs(program, VocabularyOf(program), 8),
      kTolerance);
  EXPECT_TRUE(status.ok()) << status;
}

int Count(const Partitioned& result, Operation operation) {
  return static_cast<int>(std::count_if(
      result.collectives.begin(), result.collectives.end(),
      [&](const CollectiveUse& use) { return use.operation == operation; }));
}

void ExpectCounts(const Partitioned& result, int sums, int copies,
                  int gathers = 0) {
  EXPECT_EQ(Count(result, Operation::kAllReduce), sums);
  EXPECT_EQ(Count(result, Operation::kCopy), copies);
  EXPECT_EQ(Count(result, Operation::kAllGather), gathers);
}

const CutClass* FindClass(const Partitioned& result, absl::string_view name) {
  for (const CutClass& entry : result.classes)
    if (entry.name == name) return &entry;
  return nullptr;
}

TEST(PartitionTest, LlamaHasMegatronsCutsAndCollectives) {
  for (int layers : {1, 2, 3}) {
    LlamaShape shape;
    shape.layers = layers;
    const Program program = MakeLlama(shape);
    const Partitioned result = Split(program, 2);
    ExpectSame(program, result.locals);
    ExpectCounts(result, 2 * layers + 1, 2 * layers + 1);
    EXPECT_EQ(Count(result, Operation::kCrossEntropy), 1);
    const std::string layer = "model.layers.0.";
    for (const auto& [name, dim] :
         std::map<std::string, int>{{"self_attn.q_proj.weight", 0},
                                    {"self_attn.k_proj.weight", 0},
                                    {"self_attn.v_proj.weight", 0},
                                    {"self_attn.o_proj.weight", 1},
                                    {"mlp.gate_proj.weight", 0},
                                    {"mlp.up_proj.weight", 0},
                                    {"mlp.down_proj.weight", 1},
                                    {"input_layernorm.weight", -1}}) {
      const ParameterCut& cut = result.parameters.at(layer + name);
      EXPECT_EQ(cut.dim, dim) << name;
      EXPECT_FALSE(cut.partial_gradient) << name;
    }
    EXPECT_EQ(result.parameters.at("model.embed_tokens.weight").dim, 0);
    EXPECT_EQ(result.parameters.at("lm_head.weight").dim, 0);
  }
}

TEST(PartitionTest, DropoutIsThatOfOneRank) {
  for (int ranks : {2, 3, 4}) {
    LlamaShape llama;
    llama.dropout = 0.3;
    llama.groups = 2;
    llama.fused = ranks == 3;
    const Program program = MakeLlama(llama);
    const Partitioned result = Split(program, ranks);
    ExpectSame(program, result.locals);
    // What is dropped is a sum of parts, and stays one.
    if (ranks == 2)
      ExpectCounts(result, 2 * llama.layers + 1, 2 * llama.layers + 1);

    Gpt2Shape gpt2;
    gpt2.dropout = 0.3;
    gpt2.parallel = ranks == 3;
    const Program other = MakeGpt2(gpt2);
    ExpectSame(other, Split(other, ranks).locals);
  }
}

TEST(PartitionTest, OneRankGetsTheProgramItself) {
  const Program program = MakeLlama({});
  const Partitioned result = Split(program, 1);
  EXPECT_TRUE(result.collectives.empty());
  ASSERT_EQ(result.locals.size(), 1u);
  EXPECT_EQ(DescribeProgram(result.locals[0]), DescribeProgram(program));
}

TEST(PartitionTest, NamesClassesForPeople) {
  LlamaShape shape;
  shape.heads = 8;
  shape.groups = 4;
  const Partitioned result = Split(MakeLlama(shape), 3);
  const CutClass* attention = FindClass(result, "attention");
  ASSERT_NE(attention, nullptr);
  EXPECT_EQ(attention->unit, "KV group");
  EXPECT_EQ(attention->units, 4);
  EXPECT_THAT(attention->units_per_rank, ElementsAre(2, 1, 1));
  const CutClass* mlp = FindClass(result, "mlp");
  ASSERT_NE(mlp, nullptr);
  EXPECT_EQ(mlp->unit, "column");
  EXPECT_THAT(mlp->units_per_rank, ElementsAre(4, 3, 3));
  const CutClass* vocabulary = FindClass(result, "vocabulary");
  ASSERT_NE(vocabulary, nullptr);
  EXPECT_EQ(vocabulary->unit, "row");
  EXPECT_EQ(vocabulary->units, shape.vocabulary);
  EXPECT_EQ(
      result.parameters.at("model.layers.1.self_attn.q_proj.weight").reason,
      "attention: 4 KV groups = 2 + 1 + 1");
}

TEST(PartitionTest, HeadNormsAddNoCollectives) {
  LlamaShape shape;
  shape.head_norms = true;
  const Program program = MakeLlama(shape);
  const Partitioned result = Split(program, 2);
  ExpectSame(program, result.locals);
  ExpectCounts(result, 5, 5);
  for (const char* name : {"q_norm", "k_norm"}) {
    EXPECT_TRUE(
        result.parameters
            .at(absl::StrCat("model.layers.0.self_attn.", name, ".weight"))
            .partial_gradient);
  }
}

TEST(PartitionTest, FewKeyHeadsStayWholeWithPartialGradients) {
  for (int ranks : {3, 4}) {
    LlamaShape shape;
    shape.heads = 8;
    shape.groups = 2;
    shape.head_norms = true;
    shape.attention_bias = true;
    const Program program = MakeLlama(shape);
    const Partitioned result = Split(program, ranks);
    ExpectSame(program, result.locals);
    ExpectCounts(result, 5, 5);
    const std::string layer = "model.layers.1.self_attn.";
    EXPECT_EQ(result.parameters.at(layer + "q_proj.weight").dim, 0);
    EXPECT_EQ(result.parameters.at(layer + "o_proj.weight").dim, 1);
    for (const char* name :
         {"k_proj.weight", "k_proj.bias", "v_proj.weight", "v_proj.bias"}) {
      EXPECT_EQ(result.parameters.at(layer + name).dim, -1) << name;
      EXPECT_TRUE(result.parameters.at(layer + name).partial_gradient) << name;
    }
    EXPECT_FALSE(result.parameters.at(layer + "o_proj.bias").partial_gradient);
    const CutClass* keys = FindClass(result, "keys and values");
    ASSERT_NE(keys, nullptr);
    EXPECT_THAT(keys->reason, HasSubstr("2 KV groups for"));
  }
}

TEST(PartitionTest, ParallelBlocksShareOneSum) {
  const Program program = MakeGpt2({.parallel = true, .norms = 1});
  const Partitioned result = Split(program, 2);
  ExpectSame(program, result.locals);
  ExpectCounts(result, 2 + 1, 2 + 1);
}

TEST(PartitionTest, FullWidthNormsExchangeOneNumberPerRow) {
  LlamaShape shape;
  shape.full_norms = true;
  const Program program = MakeLlama(shape);
  for (int ranks : {2, 3, 4}) {
    SCOPED_TRACE(ranks);
    const Partitioned result = Split(program, ranks);
    ExpectSame(program, result.locals);
    EXPECT_EQ(Count(result, Operation::kAllGather), 0);
    // Keys of few groups stay whole: so do their norms. Of the others, one
    // exchange each way.
    EXPECT_EQ(Count(result, Operation::kRmsNorm),
              2 * shape.layers * (ranks > shape.groups ? 1 : 2));
    ASSERT_NE(FindClass(result, "attention"), nullptr);
    EXPECT_EQ(FindClass(result, "attention")->units_per_rank.size(),
              static_cast<size_t>(ranks));
  }
}

TEST(PartitionTest, WhatNeedsAWholeDimensionIsGatheredAndReported) {
  LlamaShape shape;
  shape.full_layer_norms = true;
  const Program program = MakeLlama(shape);
  std::map<std::string, ParameterRequest> requests;
  for (int layer : {0, 1}) {
    requests[absl::StrCat("model.layers.", layer, ".self_attn.q_proj.weight")] =
        {ParameterRequest::Want::kCut, 0};
  }
  const Partitioned result = Split(program, 2, requests);
  ExpectSame(program, result.locals);
  ASSERT_EQ(Count(result, Operation::kAllGather), 2);
  for (const CollectiveUse& use : result.collectives) {
    if (use.operation == Operation::kAllGather) {
      EXPECT_THAT(use.reason, HasSubstr("layer_norm in model.layers."));
      EXPECT_THAT(use.reason, HasSubstr("q_proj.weight whole to avoid"));
    }
  }
}

TEST(PartitionTest, RefusesRequestsForWhatIsNotThere) {
  const Program program = MakeLlama({});
  const auto refuse = [&](const std::string& name, int dim) {
    const absl::StatusOr<Partitioned> result = Partition(
        program, {.tensor_parallel_size = 2,
                  .requests = {{name, {ParameterRequest::Want::kCut, dim}}}});
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(name));
  };
  refuse("model.no_such.weight", 0);
  refuse("model.norm.weight", 1);
  EXPECT_FALSE(Partition(program, {.tensor_parallel_size = 0}).ok());
}

TEST(PartitionTest, SameInputsGiveTheSamePrograms) {
  const Program program = MakeLlama({});
  const Partitioned a = Split(program, 3);
  const Partitioned b = Split(program, 3);
  for (size_t r = 0; r < a.locals.size(); ++r)
    EXPECT_EQ(DescribeProgram(a.locals[r]), DescribeProgram(b.locals[r]));
}

// 3 groups of heads on 2 ranks: the first holds more.
TEST(PartitionTest, LocalProgramsCanBeMadeOneByOne) {
  const Program program =
      MakeLlama({.layers = 1, .heads = 6, .groups = 3, .vocabulary = 24});
  const Partitioned all = Split(program, 2);
  const absl::StatusOr<Partitioned> one =
      Partition(program, {.tensor_parallel_size = 2, .fullest_only = true});
  ASSERT_TRUE(one.ok()) << one.status();
  ASSERT_EQ(one->locals.size(), 1u);
  EXPECT_EQ(DescribeProgram(one->locals[0]), DescribeProgram(all.locals[0]));
  for (int rank : {0, 1}) {
    EXPECT_EQ(DescribeProgram(LocalProgram(program, *one, rank)),
              DescribeProgram(all.locals[rank]));
  }
  const Partitioned whole = Split(program, 1);
  EXPECT_EQ(DescribeProgram(LocalProgram(program, whole, 0)),
            DescribeProgram(program));
}

// The comparison can fail: every collective matters.
TEST(PartitionTest, ADroppedCollectiveIsNoticed) {
  LlamaShape shape;
  shape.layers = 1;
  const Program program = MakeLlama(shape);
  const Partitioned good = Split(program, 2);
  int dropped = 0;
  for (size_t n = 0; n < good.locals[0].nodes.size(); ++n) {
    const Operation operation = good.locals[0].nodes[n].operation;
    if (operation != Operation::kCopy && operation != Operation::kAllReduce)
      continue;
    std::vector<Program> bad = good.locals;
    for (Program& local : bad) {
      local.nodes[n].operation = Operation::kScale;
      local.nodes[n].attributes = {{"factor", 1.0}};
    }
    ++dropped;
    EXPECT_FALSE(autotp::testing::CompareWithWhole(
                     program, bad,
                     autotp::testing::RandomParameters(program, 7),
                     autotp::testing::RandomInputs(program, 23, 8), kTolerance)
                     .ok())
        << "node " << n;
  }
  EXPECT_EQ(dropped, 6);
}

TEST(PartitionTest, AWrongPartialGradientIsNoticed) {
  LlamaShape shape;
  shape.layers = 1;
  shape.head_norms = true;
  const Program program = MakeLlama(shape);
  const Partitioned good = Split(program, 2);
  for (size_t p = 0; p < good.locals[0].parameters.size(); ++p) {
    if (good.locals[0].parameters[p].cut_dim >= 0) continue;
    std::vector<Program> bad = good.locals;
    for (Program& local : bad) local.parameters[p].partial_gradient ^= true;
    EXPECT_FALSE(autotp::testing::CompareWithWhole(
                     program, bad,
                     autotp::testing::RandomParameters(program, 7),
                     autotp::testing::RandomInputs(program, 23, 8), kTolerance)
                     .ok())
        << program.parameters[p].name;
  }
}

// Every family at every size.
struct Family {
  const char* name;
  Program program;
};

std::vector<Family> Families() {
  std::vector<Family> families;
  const auto llama = [&](const char* name, LlamaShape shape) {
    families.push_back({name, MakeLlama(shape)});
  };
  llama("llama", {});
  llama("mha", {.heads = 4, .groups = 4});
  llama("mqa", {.heads = 4, .groups = 1});
  llama("biases", {.attention_bias = true, .mlp_bias = true});
  llama("tied", {.tied = true, .padding_idx = 3});
  llama("padding", {.vocabulary = 17, .padding_idx = 16});
  llama("head norms", {.heads = 6, .groups = 3, .head_norms = true});
  llama("full norms", {.full_norms = true});
  llama("window", {.heads = 8, .groups = 4, .window = 2});
  llama("fused", {.heads = 8, .groups = 2, .fused = true});
  llama("fused biases", {.heads = 8,
                         .groups = 8,
                         .attention_bias = true,
                         .mlp_bias = true,
                         .fused = true});
  families.push_back({"gpt2", MakeGpt2({})});
  families.push_back({"opt", MakeGpt2({.fused = false})});
  families.push_back({"falcon", MakeGpt2({.parallel = true, .norms = 1})});
  families.push_back({"neox", MakeGpt2({.parallel = true})});
  return families;
}

TEST(PartitionTest, EveryFamilyIsRightAtEverySize) {
  for (const Family& family : Families()) {
    for (int ranks : {2, 3, 4, 8}) {
      SCOPED_TRACE(absl::StrCat(family.name, " at ", ranks));
      const Partitioned result = Split(family.program, ranks);
      ExpectSame(family.program, result.locals);
      EXPECT_EQ(Count(result, Operation::kAllGather), 0);
    }
  }
}

TEST(PartitionTest, MoreRanksThanAnything) {
  const Program program = MakeLlama({.layers = 1, .tied = true});
  const Partitioned plain = Split(program, 64);
  EXPECT_TRUE(plain.collectives.empty());
  const Partitioned forced =
      Split(program, 64,
            {{"lm_head.weight", {ParameterRequest::Want::kCut, 0}},  // an alias
             {"model.layers.0.mlp.down_proj.weight",
              {ParameterRequest::Want::kCut, 1}}});
  ExpectSame(program, forced.locals);
  EXPECT_EQ(
      forced.locals[40].values[forced.locals[40].parameters[0].value].shape[0],
      0);
}

}  // namespace
}  // namespace autotp::partition
