// What is exchanged when activations between blocks are cut by tokens.
#include "coordinator/partition/sequence_parallel.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "coordinator/partition/partition.h"
#include "gtest/gtest.h"
#include "tests/support/program_interpreter.h"
#include "tests/unit/coordinator/partition/models.h"

namespace autotp::partition {
namespace {

using program::Operation;
using program::Program;
using Want = ParameterRequest::Want;

constexpr double kTolerance = 1e-9;
constexpr int64_t kVocabulary = 19;  // ids below both models'

Partitioned Split(const Program& program, int ranks,
                  std::map<std::string, ParameterRequest> requests = {}) {
  absl::StatusOr<Partitioned> result =
      Partition(program, {.tensor_parallel_size = ranks,
                          .requests = std::move(requests),
                          .sequence_parallel = true});
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *std::move(result) : Partitioned{};
}

absl::Status Compare(const Program& program,
                     const std::vector<Program>& locals) {
  return autotp::testing::CompareWithWhole(
      program, locals, autotp::testing::RandomParameters(program, 7),
      autotp::testing::RandomInputs(program, kVocabulary, 8), kTolerance);
}

int Count(const Partitioned& result, Operation operation, bool backward) {
  return static_cast<int>(std::count_if(
      result.collectives.begin(), result.collectives.end(),
      [&](const CollectiveUse& use) {
        return use.operation == operation && use.backward == backward;
      }));
}

struct Counts {
  int scatters = 0;  // forward
  int gathers = 0;
  int scattered_gradients = 0;  // backward
  int gathered_gradients = 0;
  int copies = 0;
  int sums = 0;
};

void ExpectCounts(const Partitioned& result, const Counts& want) {
  EXPECT_EQ(Count(result, Operation::kReduceScatter, false), want.scatters);
  EXPECT_EQ(Count(result, Operation::kAllGather, false), want.gathers);
  EXPECT_EQ(Count(result, Operation::kReduceScatter, true),
            want.scattered_gradients);
  EXPECT_EQ(Count(result, Operation::kAllGather, true),
            want.gathered_gradients);
  EXPECT_EQ(Count(result, Operation::kCopy, true), want.copies);
  EXPECT_EQ(Count(result, Operation::kAllReduce, false), want.sums);
}

// Two of each per block, one for the embedding and one for the head.
TEST(SequenceParallelTest, LlamaScattersAndGathersTwicePerBlock) {
  for (int layers : {1, 2, 3}) {
    const Program program = MakeLlama({.layers = layers});
    for (int ranks : {2, 3, 4}) {
      SCOPED_TRACE(ranks);
      const Partitioned result = Split(program, ranks);
      EXPECT_TRUE(Compare(program, result.locals).ok());
      const int each = 2 * layers + 1;
      ExpectCounts(result, {each, each, each, each, 0, 0});
      EXPECT_TRUE(result.parameters.at("model.norm.weight").partial_gradient);
      EXPECT_EQ(result.parameters.at("lm_head.weight").dim, 0);
    }
  }
}

// 4 ranks, 2 KV groups: keys and values come from the one gathered input.
TEST(SequenceParallelTest, WholeKeysAndValuesNeedNoGatherOfTheirOwn) {
  const Program program = MakeLlama({.layers = 1});
  const Partitioned result = Split(program, 4);
  const std::string key = "model.layers.0.self_attn.k_proj.weight";
  EXPECT_EQ(result.parameters.at(key).dim, -1);
  EXPECT_TRUE(result.parameters.at(key).partial_gradient);
  EXPECT_EQ(Count(result, Operation::kAllGather, false), 3);
}

TEST(SequenceParallelTest, ParallelBlocksScatterAndGatherOnce) {
  const Program program = MakeGpt2({.parallel = true, .norms = 1});
  const Partitioned result = Split(program, 2);
  EXPECT_TRUE(Compare(program, result.locals).ok());
  EXPECT_EQ(Count(result, Operation::kReduceScatter, false), 2 + 1);
  EXPECT_EQ(Count(result, Operation::kAllGather, false), 2 + 1);
}

TEST(SequenceParallelTest, BiasesAfterTheSumHavePartialGradients) {
  const Program program = MakeLlama({.layers = 1, .mlp_bias = true});
  const Partitioned result = Split(program, 2);
  EXPECT_TRUE(Compare(program, result.locals).ok());
  EXPECT_TRUE(result.parameters.at("model.layers.0.mlp.down_proj.bias")
                  .partial_gradient);
}

// A whole head reads gathered tokens; its logits are not gathered, and its
// gradient needs no sum.
TEST(SequenceParallelTest, AWholeVocabularyIsLookedUpByTokens) {
  const Program program = MakeLlama({.layers = 1});
  const Partitioned result =
      Split(program, 2,
            {{"model.embed_tokens.weight", {Want::kWhole, 0}},
             {"lm_head.weight", {Want::kWhole, 0}}});
  EXPECT_TRUE(Compare(program, result.locals).ok());
  ExpectCounts(result, {2, 3, 2, 2, 0, 0});
  EXPECT_TRUE(
      result.parameters.at("model.embed_tokens.weight").partial_gradient);
  EXPECT_FALSE(result.parameters.at("lm_head.weight").partial_gradient);
}

// Looked up by tokens, a tied table would have to be summed at every
// micro-step: its rows' gradients are fewer numbers.
TEST(SequenceParallelTest, ATiedWholeVocabularyIsLookedUpWhole) {
  const Program program =
      MakeLlama({.layers = 1, .vocabulary = 97, .tied = true});
  const Partitioned result =
      Split(program, 2, {{"model.embed_tokens.weight", {Want::kWhole, 0}}});
  EXPECT_TRUE(Compare(program, result.locals).ok());
  EXPECT_EQ(Count(result, Operation::kCopy, true), 1);
  EXPECT_FALSE(
      result.parameters.at("model.embed_tokens.weight").partial_gradient);
}

// An MLP that a rule keeps whole computes each rank's own tokens.
TEST(SequenceParallelTest, WholeWeightsWorkOnOwnTokens) {
  const Program program = MakeLlama({.layers = 1});
  std::map<std::string, ParameterRequest> requests;
  for (const char* name : {"gate_proj", "up_proj", "down_proj"}) {
    requests["model.layers.0.mlp." + std::string(name) + ".weight"] = {
        Want::kWhole, 0};
  }
  const Partitioned result = Split(program, 2, requests);
  EXPECT_TRUE(Compare(program, result.locals).ok());
  ExpectCounts(result, {2, 2, 2, 2, 0, 0});
  EXPECT_TRUE(result.parameters.at("model.layers.0.mlp.up_proj.weight")
                  .partial_gradient);
}

// 5 tokens on 8 ranks: some have none.
TEST(SequenceParallelTest, MoreRanksThanTokens) {
  const Program program = MakeLlama({.layers = 1, .heads = 8});
  EXPECT_TRUE(Compare(program, Split(program, 8).locals).ok());
}

// The comparison can fail: gradients that are not summed are noticed.
TEST(SequenceParallelTest, AGatherThatDoesNotSumIsNoticed) {
  const Program program = MakeLlama({.layers = 1});
  const Partitioned good = Split(program, 2);
  int changed = 0;
  for (size_t n = 0; n < good.locals[0].nodes.size(); ++n) {
    if (!good.locals[0].nodes[n].attributes.contains("summed")) continue;
    std::vector<Program> bad = good.locals;
    for (Program& local : bad) local.nodes[n].attributes.erase("summed");
    EXPECT_FALSE(Compare(program, bad).ok()) << "node " << n;
    ++changed;
  }
  EXPECT_EQ(changed, 3);
}

}  // namespace
}  // namespace autotp::partition
