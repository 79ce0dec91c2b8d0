// Goal: the executor runs forward and backward in order, sums gradients of
// values used twice, tells the store when a gradient is complete.
#include "worker/runtime/local_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "tests/support/echo_group.h"
#include "tests/support/program_maker.h"

namespace autotp::runtime {
namespace {

using ::autotp::testing::ProgramMaker;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Weights and gradients as plain vectors.
class Store final : public ParameterStore {
 public:
  explicit Store(std::vector<std::vector<float>> weights)
      : weights_(std::move(weights)), written_(weights_.size()) {
    for (const auto& weight : weights_)
      gradients.emplace_back(weight.size(), std::nanf(""));
  }
  void* Weight(int parameter) override { return weights_[parameter].data(); }
  GradientSlot Gradient(int parameter) override {
    const bool add = written_[parameter];
    written_[parameter] = true;
    return {gradients[parameter].data(), add};
  }
  absl::Status GradientDone(int parameter) override {
    done.push_back(parameter);
    return absl::OkStatus();
  }

  std::vector<std::vector<float>> gradients;
  std::vector<int> done;

 private:
  std::vector<std::vector<float>> weights_;
  std::vector<bool> written_;
};

// ids[1,2] -> rows of a tied table[2,2] -> logits against the same table.
v1::Program TiedProgram() {
  ProgramMaker m;
  const int ids = m.Input("input_ids", {1, 2});
  const int labels = m.Input("labels", {1, 2});
  const int unused = m.Parameter("unused", {3});
  const int table = m.Parameter("table", {2, 2});
  const int x = m.Node("embedding", {table, ids}, {{1, 2, 2}}).output();
  const int sum = m.Node("add", {x, x}, {{1, 2, 2}}).output();
  const int logits = m.Node("linear", {sum, table}, {{1, 2, 2}}).output();
  const int loss = m.Node("cross_entropy", {logits, labels}, {{}}).output();
  m.Loss(loss);
  EXPECT_EQ(unused, 2);
  return m.program;
}

float LossOf(LocalProgram& program, const std::vector<float>& table,
             double factor, Store* kept = nullptr) {
  Store store({{0, 0, 0}, table});
  const int64_t ids[] = {1, 0};
  const void* inputs[] = {ids, ids};
  const absl::StatusOr<float> loss =
      program.Run(inputs, {.gradient_factor = factor}, store);
  EXPECT_TRUE(loss.ok()) << loss.status();
  if (kept != nullptr) *kept = std::move(store);
  return loss.value_or(0);
}

TEST(LocalProgram, GradientsOfATiedTableAreFiniteDifferences) {
  const auto program = LocalProgram::Compile(TiedProgram(), {});
  ASSERT_TRUE(program.ok()) << program.status();
  EXPECT_THAT((*program)->parameter_sizes(), ElementsAre(3, 4));
  const std::vector<float> table = {0.3f, -0.2f, 0.5f, 0.7f};
  Store store({});
  LossOf(**program, table, 0.5, &store);
  for (size_t i = 0; i < table.size(); ++i) {
    std::vector<float> up = table, down = table;
    up[i] += 1e-2f;
    down[i] -= 1e-2f;
    const float slope =
        (LossOf(**program, up, 1) - LossOf(**program, down, 1)) / 2e-2f;
    EXPECT_NEAR(store.gradients[1][i], 0.5f * slope, 1e-3) << "element " << i;
  }
}

TEST(LocalProgram, TellsOncePerParameterAlsoWhereThereIsNoUse) {
  const auto program = LocalProgram::Compile(TiedProgram(), {});
  ASSERT_TRUE(program.ok()) << program.status();
  Store store({});
  LossOf(**program, {1, 2, 3, 4}, 1, &store);
  EXPECT_THAT(store.done, ElementsAre(0, 1));
}

TEST(LocalProgram, AnEvaluationIsTheLossAloneAndLeavesTheNextRunAsItWas) {
  const auto program = LocalProgram::Compile(TiedProgram(), {});
  ASSERT_TRUE(program.ok()) << program.status();
  const std::vector<float> table = {0.3f, -0.2f, 0.5f, 0.7f};
  const float loss = LossOf(**program, table, 1);
  Store store({{0, 0, 0}, table});
  const int64_t ids[] = {1, 0};
  const void* inputs[] = {ids, ids};
  const absl::StatusOr<float> evaluated = (*program)->Evaluate(inputs, store);
  ASSERT_TRUE(evaluated.ok()) << evaluated.status();
  EXPECT_EQ(*evaluated, loss);
  EXPECT_THAT(store.done, ElementsAre());
  EXPECT_EQ(LossOf(**program, table, 1), loss);
}

// ids[1,2] -> rows of a table, turned, multiplied, dropped out, with a second
// reader: what a region has to make again.
v1::Program DroppingProgram(int region, double rate = 0.5) {
  ProgramMaker m;
  const int ids = m.Input("input_ids", {1, 2});
  const int labels = m.Input("labels", {1, 2});
  const int table = m.Parameter("table", {2, 2});
  const int x = m.Node("embedding", {table, ids}, {{1, 2, 2}}).output();
  const int y = m.Node("linear", {x, table}, {{1, 2, 2}}).output();
  const int z = m.Node("mul", {y, x}, {{1, 2, 2}}).output();
  const int dropped = m.Node("dropout", {z}, {{1, 2, 2}})
                          .Set("probability", rate)
                          .Set("stream", 0)
                          .output();
  const int sum = m.Node("add", {dropped, y}, {{1, 2, 2}}).output();
  const int square = m.Node("mul", {sum, sum}, {{1, 2, 2}}).output();
  const int logits = m.Node("linear", {square, table}, {{1, 2, 2}}).output();
  for (int n = 1; n <= 5; ++n)
    m.program.mutable_nodes(n)->set_recompute_region(region);
  const int loss = m.Node("cross_entropy", {logits, labels}, {{}}).output();
  m.Loss(loss);
  return m.program;
}

float LossAt(LocalProgram& program, Store& store, int64_t first_sequence) {
  const int64_t ids[] = {1, 0};
  const void* inputs[] = {ids, ids};
  const absl::StatusOr<float> loss =
      program.Run(inputs, {.seed = 3, .first_sequence = first_sequence}, store);
  EXPECT_TRUE(loss.ok()) << loss.status();
  return loss.value_or(0);
}

TEST(LocalProgram, GradientsThroughDropoutAreFiniteDifferences) {
  const auto program = LocalProgram::Compile(DroppingProgram(0), {});
  ASSERT_TRUE(program.ok()) << program.status();
  const std::vector<float> table = {0.9f, -0.8f, 0.5f, 0.7f};
  std::vector<float> losses;
  for (int64_t sequence = 0; sequence < 6; ++sequence) {
    Store store({table});
    losses.push_back(LossAt(**program, store, sequence));
    for (size_t i = 0; i < table.size(); ++i) {
      std::vector<float> up = table, down = table;
      up[i] += 1e-2f;
      down[i] -= 1e-2f;
      Store above({up}), below({down});
      const float slope = (LossAt(**program, above, sequence) -
                           LossAt(**program, below, sequence)) /
                          2e-2f;
      EXPECT_NEAR(store.gradients[0][i], slope,
                  2e-3 * std::max(1.0f, std::abs(slope)))
          << "sequence " << sequence << ", element " << i;
    }
  }
  // Each sequence has a mask of its own; an evaluation has none.
  std::sort(losses.begin(), losses.end());
  EXPECT_LT(losses.front(), losses.back());
  const auto whole = LocalProgram::Compile(DroppingProgram(0, 0.0), {});
  ASSERT_TRUE(whole.ok()) << whole.status();
  Store store({table});
  const int64_t ids[] = {1, 0};
  const void* inputs[] = {ids, ids};
  EXPECT_EQ((*program)->Evaluate(inputs, store).value(),
            LossAt(**whole, store, 0));
}

TEST(LocalProgram, WhatIsComputedAgainIsTheSameToTheBit) {
  const auto kept = LocalProgram::Compile(DroppingProgram(0), {});
  const auto again = LocalProgram::Compile(DroppingProgram(1), {});
  ASSERT_TRUE(kept.ok() && again.ok());
  const std::vector<float> table = {0.9f, -0.8f, 0.5f, 0.7f};
  for (int64_t sequence = 0; sequence < 6; ++sequence) {
    Store one({table}), other({table});
    EXPECT_EQ(LossAt(**kept, one, sequence), LossAt(**again, other, sequence));
    EXPECT_EQ(one.gradients[0], other.gradients[0]);
  }
}

std::string Refusal(const v1::Program& program) {
  const auto compiled = LocalProgram::Compile(program, {});
  EXPECT_EQ(compiled.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(compiled.status().message());
}

TEST(LocalProgram, MalformedProgramsAreRefusedByNode) {
  v1::Program late = TiedProgram();
  late.mutable_nodes(0)->set_inputs(1, late.nodes(2).outputs(0));
  EXPECT_THAT(Refusal(late),
              HasSubstr("node 0 (embedding in model.part): uses %"));

  v1::Program unknown = TiedProgram();
  unknown.mutable_nodes(1)->set_operation("teleport");
  EXPECT_THAT(Refusal(unknown), HasSubstr("operation 'teleport' is unknown"));

  v1::Program lossless = TiedProgram();
  lossless.set_loss(-1);
  EXPECT_THAT(Refusal(lossless), HasSubstr("has no loss"));
  lossless.set_loss(lossless.inputs(0));
  EXPECT_THAT(Refusal(lossless), HasSubstr("the loss has shape [1,2]"));

  // A linear whose weight does not fit its input.
  v1::Program misfit = TiedProgram();
  misfit.mutable_nodes(2)->set_inputs(1, misfit.parameters(0).value());
  EXPECT_THAT(Refusal(misfit), HasSubstr("node 2 (linear in model.part): "
                                         "weight has shape [3]"));

  v1::Program huge = TiedProgram();
  huge.mutable_values(0)->set_shape(0, int64_t{1} << 50);
  EXPECT_THAT(Refusal(huge), HasSubstr("value %0: has shape"));
}

// x[2,4] of a rank that has one head less than it should, and the like: what
// only the worker can know of a collective.
TEST(LocalProgram, ACutOfAnotherGroupIsRefused) {
  ProgramMaker m;
  const int x = m.Parameter("x", {2, 3});
  const int y = m.Node("all_gather", {x}, {{2, 3}})
                    .Set("dim", 1)
                    .Set("size", 3)
                    .Set("intervals", autotp::testing::Shape{1, 0, 3})
                    .output();
  m.Loss(m.Node("aten.sum.default", {y}, {{}}).output());
  ASSERT_TRUE(LocalProgram::Compile(m.program, {}).ok());
  autotp::testing::EchoGroup pair(0, 2);
  const auto compiled =
      LocalProgram::Compile(m.program, {.tensor_group = &pair});
  EXPECT_THAT(std::string(compiled.status().message()),
              HasSubstr("is for 1 ranks, the group has 2"));
  autotp::testing::NodeMaker(*m.program.mutable_nodes(0))
      .Set("intervals", autotp::testing::Shape{1, 0, 1, 1, 0, 3});
  EXPECT_THAT(
      std::string(LocalProgram::Compile(m.program, {.tensor_group = &pair})
                      .status()
                      .message()),
      HasSubstr("gives rank 0 1 positions, the program 3"));
}

// What no check of shapes can know: an expert that nobody has.
TEST(LocalProgram, AnExpertThatIsNotThereIsAnError) {
  ProgramMaker m;
  const int x = m.Parameter("x", {2, 4});
  const int weights = m.Parameter("weights", {2, 1}, /*frozen=*/true);
  const int chosen = m.Input("chosen", {2, 1});
  const int gate = m.Parameter("gate", {3, 4});
  const int up = m.Parameter("up", {3, 4});
  const int down = m.Parameter("down", {4, 3});
  const int y =
      m.Node("experts", {x, weights, chosen, gate, up, down}, {{2, 4}})
          .Set("kind", "silu")
          .Set("count", 1)
          .output();
  m.Loss(m.Node("aten.sum.default", {y}, {{}}).output());
  const auto compiled = LocalProgram::Compile(m.program, {});
  ASSERT_TRUE(compiled.ok()) << compiled.status();
  const std::vector<float> numbers(12, 0.5f);
  Store store({{1, 2, 3, 4, 5, 6, 7, 8}, {1, 1}, numbers, numbers, numbers});
  int64_t experts[] = {0, 0};
  const void* inputs[] = {experts};
  ASSERT_TRUE((*compiled)->Run(inputs, {}, store).ok());
  experts[1] = 1;
  EXPECT_THAT(
      std::string((*compiled)->Run(inputs, {}, store).status().message()),
      HasSubstr("expert 1 is chosen, of 1"));
}

TEST(LocalProgram, AFaultOfTheTensorLibraryIsAStatus) {
  const auto compiled = LocalProgram::Compile(TiedProgram(), {});
  ASSERT_TRUE(compiled.ok());
  Store store({{0, 0, 0}, {1, 2, 3, 4}});
  const int64_t ids[] = {1, 7};  // the table has two rows
  const void* inputs[] = {ids, ids};
  EXPECT_EQ((*compiled)->Run(inputs, {}, store).status().code(),
            absl::StatusCode::kInternal);
  const void* one[] = {ids};
  EXPECT_EQ((*compiled)->Run(one, {}, store).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace autotp::runtime
