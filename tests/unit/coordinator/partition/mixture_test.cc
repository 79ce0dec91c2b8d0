// Mixtures of experts and latent attention: all ranks together compute what
// one rank computes, with one sum per mixture.
#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/partition/partition.h"
#include "coordinator/program/builder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/support/check.h"
#include "tests/support/program_interpreter.h"

namespace autotp::partition {
namespace {

using program::Attributes;
using program::Builder;
using program::Operation;
using program::Program;
using program::ValueId;

constexpr double kTolerance = 1e-9;
constexpr int64_t kVocabulary = 17;
constexpr int64_t kBatch = 2;
constexpr int64_t kTokens = 5;
constexpr int64_t kHidden = 12;
constexpr int64_t kExperts = 4;
constexpr int64_t kInner = 6;

struct Options {
  int layers = 2;
  bool latent_attention = false;
  bool query_latent = true;
  bool shared_expert = false;
  bool shared_gate = false;
  bool corrected = false;  // as deepseek_v3
  bool balance = false;
};

ValueId Linear(Builder& b, absl::string_view module, ValueId x, int64_t out) {
  return b.Linear(module, x, {.out = out, .tied_to = ""});
}

ValueId LatentAttention(Builder& b, const Options& options, ValueId x) {
  const auto scope = b.Enter("self_attn");
  constexpr int64_t kHeads = 4;
  constexpr int64_t kPlain = 3;
  constexpr int64_t kTurned = 2;
  constexpr int64_t kValue = 5;
  constexpr int64_t kRank = 7;
  const program::RotaryTables tables = b.RotaryTable({0.7}, kTokens);
  const auto heads = [&b](ValueId y, int64_t width) {
    return b.Transpose(b.Reshape(y, {kBatch, kTokens, kHeads, width}), 1, 2);
  };
  ValueId q = x;
  if (options.query_latent)
    q = b.RmsNorm("q_a_layernorm", Linear(b, "q_a_proj", x, 8), 1e-6);
  q = heads(Linear(b, "q_b_proj", q, kHeads * (kPlain + kTurned)),
            kPlain + kTurned);
  q = b.Concat({b.Slice(q, 3, 0, kPlain),
                b.Rotary(b.Slice(q, 3, kPlain, kPlain + kTurned), tables)},
               3);
  const ValueId narrow = Linear(b, "kv_a_proj_with_mqa", x, kRank + kTurned);
  const ValueId latent =
      b.RmsNorm("kv_a_layernorm", b.Slice(narrow, 2, 0, kRank), 1e-6);
  const ValueId kv =
      heads(Linear(b, "kv_b_proj", latent, kHeads * (kPlain + kValue)),
            kPlain + kValue);
  const ValueId turned =
      b.Rotary(b.Reshape(b.Slice(narrow, 2, kRank, kRank + kTurned),
                         {kBatch, 1, kTokens, kTurned}),
               tables);
  const ValueId every = b.ApplyOne(Operation::kExpand, {turned},
                                   {{"dim", int64_t{1}}, {"size", kHeads}});
  const ValueId k = b.Concat({b.Slice(kv, 3, 0, kPlain), every}, 3);
  const ValueId v = b.Slice(kv, 3, kPlain, kPlain + kValue);
  const ValueId y =
      b.ApplyOne(Operation::kAttention, {q, k, v}, {{"scale", 0.4}});
  return Linear(
      b, "o_proj",
      b.Reshape(b.Transpose(y, 1, 2), {kBatch, kTokens, kHeads * kValue}),
      kHidden);
}

ValueId SharedExpert(Builder& b, const Options& options, ValueId x) {
  const auto scope = b.Enter("shared_expert");
  const ValueId gated = b.GatedActivation(Linear(b, "gate_proj", x, 8),
                                          Linear(b, "up_proj", x, 8), "silu");
  const ValueId y = Linear(b, "down_proj", gated, kHidden);
  if (!options.shared_gate) return y;
  return b.Mul(y, b.Activation(Linear(b, "open", x, 1), "sigmoid"));
}

ValueId Mixture(Builder& b, const Options& options, ValueId x,
                std::vector<ValueId>* logits) {
  const auto scope = b.Enter("mlp");
  logits->push_back(Linear(b, "gate", x, kExperts));
  std::vector<ValueId> routed = {logits->back()};
  Attributes attributes = {{"top_k", int64_t{2}},
                           {"normalize", true},
                           {"scores", std::string("softmax")}};
  if (options.corrected) {
    routed.push_back(b.Buffer("bias", {kExperts}, {}));
    attributes["scores"] = std::string("sigmoid");
    attributes["scale"] = 1.5;
    attributes["groups"] = int64_t{2};
    attributes["top_groups"] = int64_t{1};
  }
  const std::vector<ValueId> chosen =
      b.Apply(Operation::kRouter, std::move(routed), std::move(attributes));
  std::vector<ValueId> inputs = {x, chosen[0], chosen[1]};
  for (const char* name : {"gate_proj", "up_proj", "down_proj"}) {
    for (int64_t e = 0; e < kExperts; ++e) {
      const bool down = std::string(name) == "down_proj";
      inputs.push_back(b.Parameter(absl::StrCat("experts.", e, ".", name),
                                   down ? std::vector<int64_t>{kHidden, kInner}
                                        : std::vector<int64_t>{kInner, kHidden},
                                   {}));
    }
  }
  const ValueId y =
      b.ApplyOne(Operation::kExperts, std::move(inputs),
                 {{"kind", std::string("silu")}, {"count", kExperts}});
  return options.shared_expert ? b.Add(y, SharedExpert(b, options, x)) : y;
}

Program Make(const Options& options) {
  Builder b("mixture", kBatch, kTokens);
  ValueId x = b.Embedding("embed", b.input_ids(),
                          {.rows = kVocabulary, .width = kHidden});
  std::vector<ValueId> logits;
  for (int layer = 0; layer < options.layers; ++layer) {
    const auto scope = b.Enter(absl::StrCat("layers.", layer));
    if (options.latent_attention) {
      x = b.Add(x, LatentAttention(b, options,
                                   b.RmsNorm("input_layernorm", x, 1e-6)));
    }
    x = b.Add(
        x, Mixture(b, options, b.RmsNorm("post_layernorm", x, 1e-6), &logits));
  }
  ValueId loss = b.CrossEntropy(
      Linear(b, "head", b.RmsNorm("norm", x, 1e-6), kVocabulary), b.labels());
  if (options.balance) {
    loss = b.Add(loss, b.Scale(b.ApplyOne(Operation::kRouterLoss, logits,
                                          {{"top_k", int64_t{2}}}),
                               0.3));
  }
  absl::StatusOr<Program> program = std::move(b).Finish(loss);
  AUTOTP_CHECK(program.ok(), program.status().ToString());
  return *std::move(program);
}

Partitioned Split(const Program& program, int ranks,
                  std::map<std::string, ParameterRequest> requests = {}) {
  absl::StatusOr<Partitioned> result = Partition(
      program,
      {.tensor_parallel_size = ranks, .requests = std::move(requests)});
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *std::move(result) : Partitioned{};
}

void ExpectSame(const Program& program, const std::vector<Program>& locals) {
  const absl::Status status = autotp::testing::CompareWithWhole(
      program, locals, autotp::testing::RandomParameters(program, 7),
      autotp::testing::RandomInputs(program, kVocabulary, 8), kTolerance);
  EXPECT_TRUE(status.ok()) << status;
}

int Count(const Partitioned& result, Operation operation) {
  return static_cast<int>(std::count_if(
      result.collectives.begin(), result.collectives.end(),
      [&](const CollectiveUse& use) { return use.operation == operation; }));
}

// Of the whole program: `layer` for each of two layers, and one each of the
// embedding (sum) and the head (copy).
void ExpectCounts(const Partitioned& result, int sums, int copies) {
  EXPECT_EQ(Count(result, Operation::kAllReduce), 2 * sums + 1);
  EXPECT_EQ(Count(result, Operation::kCopy), 2 * copies + 1);
  EXPECT_EQ(Count(result, Operation::kAllGather), 0);
}

TEST(MixturePartitionTest, AMixtureNeedsOneSumAndOneCopy) {
  for (const bool corrected : {false, true}) {
    const Program program = Make({.corrected = corrected});
    for (const int ranks : {2, 3, 4}) {
      const Partitioned result = Split(program, ranks);
      ExpectSame(program, result.locals);
      ExpectCounts(result, 1, 1);
    }
  }
}

TEST(MixturePartitionTest, ExpertsAreCutInsideAndTheRouterStaysWhole) {
  const Partitioned result = Split(Make({.corrected = true}), 2);
  for (int e = 0; e < kExperts; ++e) {
    const std::string expert = absl::StrCat("layers.1.mlp.experts.", e, ".");
    EXPECT_EQ(result.parameters.at(expert + "gate_proj").dim, 0);
    EXPECT_EQ(result.parameters.at(expert + "up_proj").dim, 0);
    EXPECT_EQ(result.parameters.at(expert + "down_proj").dim, 1);
  }
  const ParameterCut& router = result.parameters.at("layers.1.mlp.gate.weight");
  EXPECT_EQ(router.dim, -1);
  // Each rank knows its part of what a token's weights do: summed once a step.
  EXPECT_TRUE(router.partial_gradient);
  EXPECT_FALSE(result.parameters.at("layers.1.mlp.bias").partial_gradient);
}

TEST(MixturePartitionTest, SharedExpertsJoinTheSum) {
  for (const bool gate : {false, true}) {
    const Program program = Make({.shared_expert = true, .shared_gate = gate});
    for (const int ranks : {2, 3}) {
      const Partitioned result = Split(program, ranks);
      ExpectSame(program, result.locals);
      ExpectCounts(result, 1, 1);
    }
  }
}

TEST(MixturePartitionTest, TheBalanceOfRoutersCostsACopyOfTheirWeights) {
  const Program program = Make({.balance = true});
  const Partitioned result = Split(program, 2);
  ExpectSame(program, result.locals);
  ExpectCounts(result, 1, 2);
}

TEST(MixturePartitionTest, ALatentAttentionNeedsOneSum) {
  for (const bool query_latent : {false, true}) {
    const Program program =
        Make({.latent_attention = true, .query_latent = query_latent});
    for (const int ranks : {2, 3, 4}) {
      const Partitioned result = Split(program, ranks);
      ExpectSame(program, result.locals);
      EXPECT_EQ(Count(result, Operation::kAllReduce), 2 * 2 + 1);
      EXPECT_EQ(Count(result, Operation::kAllGather), 0);
      for (const char* name : {"q_b_proj", "kv_b_proj"}) {
        EXPECT_EQ(result.parameters
                      .at(absl::StrCat("layers.0.self_attn.", name, ".weight"))
                      .dim,
                  0);
      }
      EXPECT_EQ(
          result.parameters.at("layers.0.self_attn.kv_a_proj_with_mqa.weight")
              .dim,
          -1);
    }
  }
}

TEST(MixturePartitionTest, RulesMayAskForAnything) {
  const Program program = Make({.latent_attention = true,
                                .shared_expert = true,
                                .shared_gate = true,
                                .balance = true});
  using Want = ParameterRequest::Want;
  for (const ParameterRequest& request :
       {ParameterRequest{Want::kWhole, 0}, ParameterRequest{Want::kCut, 0},
        ParameterRequest{Want::kCut, 1}}) {
    for (const char* name :
         {"mlp.gate.weight", "mlp.experts.1.up_proj", "mlp.experts.2.down_proj",
          "self_attn.q_a_proj.weight", "self_attn.kv_a_proj_with_mqa.weight",
          "mlp.shared_expert.open.weight"}) {
      const std::string parameter = absl::StrCat("layers.0.", name);
      SCOPED_TRACE(absl::StrCat(parameter, " ", static_cast<int>(request.want),
                                " ", request.dim));
      const Partitioned result = Split(program, 2, {{parameter, request}});
      ExpectSame(program, result.locals);
    }
  }
}

}  // namespace
}  // namespace autotp::partition
