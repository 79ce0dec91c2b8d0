// Goal: the executor runs forward and backward in order, sums gradients of
// values used twice, tells the store when a gradient is complete.
#include "worker/runtime/local_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace autotp::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ProgramMaker {
 public:
  int Value(std::vector<int64_t> shape,
            v1::Value::Kind kind = v1::Value::KIND_FLOAT) {
    v1::Value& value = *program.add_values();
    for (const int64_t size : shape) value.add_shape(size);
    value.set_kind(kind);
    return program.values_size() - 1;
  }
  int Parameter(const std::string& name, std::vector<int64_t> shape) {
    v1::Parameter& parameter = *program.add_parameters();
    parameter.set_name(name);
    parameter.set_value(Value(std::move(shape)));
    return parameter.value();
  }
  int Node(const std::string& operation, std::vector<int> inputs,
           std::vector<int64_t> shape) {
    v1::Node& node = *program.add_nodes();
    node.set_operation(operation);
    node.set_scope("model.part");
    for (const int input : inputs) node.add_inputs(input);
    const int output = Value(std::move(shape));
    node.add_outputs(output);
    return output;
  }

  v1::Program program;
};

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
  const int ids = m.Value({1, 2}, v1::Value::KIND_INDEX);
  const int labels = m.Value({1, 2}, v1::Value::KIND_INDEX);
  m.program.add_inputs(ids);
  m.program.add_inputs(labels);
  const int unused = m.Parameter("unused", {3});
  const int table = m.Parameter("table", {2, 2});
  const int x = m.Node("embedding", {table, ids}, {1, 2, 2});
  const int sum = m.Node("add", {x, x}, {1, 2, 2});
  const int logits = m.Node("linear", {sum, table}, {1, 2, 2});
  const int loss = m.Node("cross_entropy", {logits, labels}, {});
  m.program.mutable_values(loss)->set_kind(v1::Value::KIND_FLOAT32);
  m.program.set_loss(loss);
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
  const int ids = m.Value({1, 2}, v1::Value::KIND_INDEX);
  m.program.add_inputs(ids);
  m.program.add_inputs(ids);
  const int table = m.Parameter("table", {2, 2});
  const int x = m.Node("embedding", {table, ids}, {1, 2, 2});
  const int y = m.Node("linear", {x, table}, {1, 2, 2});
  const int z = m.Node("mul", {y, x}, {1, 2, 2});
  const int dropped = m.Node("dropout", {z}, {1, 2, 2});
  v1::Node& dropout = *m.program.mutable_nodes(3);
  v1::Attribute& probability = *dropout.add_attributes();
  probability.set_name("probability");
  probability.set_number(rate);
  v1::Attribute& stream = *dropout.add_attributes();
  stream.set_name("stream");
  stream.set_integer(0);
  const int sum = m.Node("add", {dropped, y}, {1, 2, 2});
  const int square = m.Node("mul", {sum, sum}, {1, 2, 2});
  const int logits = m.Node("linear", {square, table}, {1, 2, 2});
  for (int n = 1; n <= 5; ++n)
    m.program.mutable_nodes(n)->set_recompute_region(region);
  const int loss = m.Node("cross_entropy", {logits, ids}, {});
  m.program.mutable_values(loss)->set_kind(v1::Value::KIND_FLOAT32);
  m.program.set_loss(loss);
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

TEST(LocalProgram, MalformedProgramsAreRefusedByNode) {
  v1::Program late = TiedProgram();
  late.mutable_nodes(0)->set_inputs(0, late.nodes(2).outputs(0));
  EXPECT_THAT(std::string(LocalProgram::Compile(late, {}).status().message()),
              HasSubstr("node 0 (embedding in model.part) reads value"));

  v1::Program unknown = TiedProgram();
  unknown.mutable_nodes(1)->set_operation("teleport");
  EXPECT_THAT(
      std::string(LocalProgram::Compile(unknown, {}).status().message()),
      HasSubstr("unknown operation 'teleport'"));

  v1::Program lossless = TiedProgram();
  lossless.set_loss(-1);
  EXPECT_EQ(LocalProgram::Compile(lossless, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(LocalProgram, AFaultOfTheTensorLibraryIsAStatus) {
  v1::Program program = TiedProgram();
  // A linear whose weight does not fit its input.
  program.mutable_nodes(2)->set_inputs(0, program.nodes(0).outputs(0));
  program.mutable_nodes(2)->set_inputs(1, program.parameters(0).value());
  const auto compiled = LocalProgram::Compile(program, {});
  ASSERT_TRUE(compiled.ok());
  Store store({{0, 0, 0}, {1, 2, 3, 4}});
  const int64_t ids[] = {1, 0};
  const void* inputs[] = {ids, ids};
  EXPECT_EQ((*compiled)->Run(inputs, {}, store).status().code(),
            absl::StatusCode::kInternal);
  const void* one[] = {ids};
  EXPECT_EQ((*compiled)->Run(one, {}, store).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace autotp::runtime
