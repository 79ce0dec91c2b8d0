// Goal: an update does not depend on the layout: every optimizer, in fp32 and
// in 16 bits, gives the weights of one rank, however parameters are cut and
// whoever updates them.
// Method: ranks are threads over real shared memory; gradients are functions
// of an element's place that add up exactly, so that nothing but the update
// can differ.
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/plain_product.h"
#include "tests/support/shared_group.h"
#include "worker/collective/factory.h"
#include "worker/zero/flat_state.h"
#include "worker/zero/rounding.h"

namespace autotp::zero {
namespace {

using checkpoint::Shape;
using checkpoint::Slice;
using collective::Communicator;
using collective::ElementType;

constexpr int kSteps = 3;

// A small model: matrices cut by rows and by columns, whole ones, vectors.
struct Parameter {
  std::string name;
  Shape shape;
  int cut_dim = -1;
  bool orthogonalized = false;
  bool undecayed = false;
};

const std::vector<Parameter>& Parameters() {
  static const auto* const parameters = new std::vector<Parameter>{
      {"embed", {10, 6}, 0},         {"up", {12, 6}, 0, true},
      {"down", {6, 12}, 1, true},    {"router", {5, 6}, -1, true},
      {"stack", {2, 4, 6}, 1, true}, {"norm", {6}, -1, false, true},
      {"bias", {12}, 0, false, true}};
  return *parameters;
}

std::unique_ptr<Communicator> Join(const std::string& key, int size, int rank,
                                   int descriptor) {
  auto made = testing::JoinSharedGroup(key, size, rank, descriptor);
  EXPECT_TRUE(made.ok()) << made.status();
  return made.ok() ? *std::move(made) : nullptr;
}

// Sixteenths: halves and sums of them are exact in fp32.
float Gradient(int step, int parameter, int64_t place) {
  const int64_t number = (place * 7 + parameter * 5 + step * 11) % 37 - 18;
  return static_cast<float>(number) / 16;
}

float FirstWeight(int parameter, int64_t place) {
  return static_cast<float>(
      std::sin(static_cast<double>(place) * 0.9 + parameter));
}

struct Case {
  std::string name;
  v1::OptimizerConfig::Kind kind;
  ElementType weights = ElementType::kFloat32;
  ElementType masters = ElementType::kFloat32;
  ElementType states = ElementType::kFloat32;
  double tolerance = 0;  // norms are summed in another order
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

v1::TrainingConfig Config(const Case& c) {
  v1::TrainingConfig config;
  v1::OptimizerConfig& optimizer = *config.mutable_optimizer();
  optimizer.set_kind(c.kind);
  optimizer.set_learning_rate(0.01);
  optimizer.set_adam_learning_rate(0.005);
  optimizer.set_beta1(0.9);
  optimizer.set_beta2(0.99);
  optimizer.set_epsilon(1e-8);
  optimizer.set_weight_decay(0.1);
  optimizer.set_decoupled_decay(true);
  optimizer.set_bias_correction(true);
  optimizer.set_momentum(0.9);
  optimizer.set_nesterov(true);
  optimizer.set_minimum_coefficient(0.01);
  optimizer.set_maximum_coefficient(10);
  optimizer.set_orthogonalization_steps(5);
  return config;
}

struct World {
  int tensor = 1;
  int data = 1;
  int stage = 0;
};

Slice SliceAt(const Parameter& parameter, int rank, int size) {
  if (parameter.cut_dim < 0) return {};
  const int64_t length = parameter.shape[parameter.cut_dim];
  return {parameter.cut_dim,
          {{length * rank / size, length * (rank + 1) / size}}};
}

// Of one rank: [parameter][local element].
using Weights = std::vector<std::vector<float>>;

void FillIn(const Parameter& parameter, const Slice& slice,
            const std::function<float(int64_t)>& value, float* out) {
  const int64_t count = checkpoint::ElementCount(parameter.shape, slice);
  const absl::Status status = checkpoint::ForEachRun(
      parameter.shape, slice, {0, count}, [&](checkpoint::Run run) {
        for (int64_t i = 0; i < run.count; ++i)
          out[run.local + i] = value(run.global + i);
        return absl::OkStatus();
      });
  ASSERT_TRUE(status.ok()) << status;
}

Weights RunRank(const Case& c, const World& world, int tensor_rank,
                Communicator* tensor, Communicator* data) {
  FlatStateOptions options;
  options.zero_stage = world.stage;
  options.bucket_elements = 50;
  options.weight_type = c.weights;
  options.master_type = c.masters;
  options.state_type = c.states;
  options.data_group = data;
  options.tensor_group = tensor;
  options.matrix_product = testing::MultiplyPlainly;
  const v1::TrainingConfig config = Config(c);
  options.optimizer = config.optimizer();
  options.seed = 7;
  std::vector<ParameterInfo> infos;
  for (const Parameter& parameter : Parameters()) {
    const Slice slice = SliceAt(parameter, tensor_rank, world.tensor);
    infos.push_back(
        {checkpoint::ElementCount(parameter.shape, slice),
         false,
         parameter.cut_dim >= 0 || tensor_rank == 0,
         false,
         {parameter.undecayed,
          parameter.orthogonalized && c.kind == v1::OptimizerConfig::KIND_MUON},
         parameter.name,
         parameter.shape,
         slice});
  }
  auto made = FlatState::Create(infos, options);
  EXPECT_TRUE(made.ok()) << made.status();
  if (!made.ok()) return {};
  FlatState& state = **made;
  const int count = static_cast<int>(infos.size());
  std::vector<float> values;
  for (int p = 0; p < count; ++p) {
    values.resize(infos[p].elements);
    FillIn(
        Parameters()[p], infos[p].slice,
        [&](int64_t place) { return FirstWeight(p, place); }, values.data());
    state.SetParameter(p, values.data());
  }
  for (int step = 1; step <= kSteps; ++step) {
    state.BeginStep();
    state.BeginMicroStep();
    for (int p = count - 1; p >= 0; --p) {
      FillIn(
          Parameters()[p], infos[p].slice,
          [&](int64_t place) {
            return Gradient(step, p, place) / static_cast<float>(world.data);
          },
          state.Gradient(p).data);
      EXPECT_TRUE(state.GradientDone(p).ok());
    }
    EXPECT_TRUE(state.FinishMicroStep().ok());
    EXPECT_TRUE(state.ReduceGradients().ok());
    const absl::Status updated =
        state.Update(optimizer::Update(config, step, 0.5));
    EXPECT_TRUE(updated.ok()) << updated;
  }
  Weights weights;
  for (int p = 0; p < count; ++p) {
    weights.emplace_back(infos[p].elements);
    Widen(state.Weight(p), infos[p].elements, c.weights, weights[p].data());
  }
  return weights;
}

// [rank], rank = d * tensor + t.
std::vector<Weights> RunWorld(const Case& c, const World& world) {
  // One processor: ranks that spin for each other beside other tests take
  // seconds.
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  sched_setaffinity(0, sizeof(one), &one);
  std::vector<int> data_memory, tensor_memory;
  for (int t = 0; t < world.tensor; ++t)
    data_memory.push_back(*collective::CreateSharedMemory(world.data));
  for (int d = 0; d < world.data; ++d)
    tensor_memory.push_back(*collective::CreateSharedMemory(world.tensor));
  std::vector<Weights> ranks(world.tensor * world.data);
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    threads.emplace_back([&, rank] {
      const int t = static_cast<int>(rank) % world.tensor;
      const int d = static_cast<int>(rank) / world.tensor;
      std::unique_ptr<Communicator> tensor, data;
      if (world.data > 1) data = Join("dp", world.data, d, data_memory[t]);
      if (world.tensor > 1)
        tensor = Join("tp", world.tensor, t, tensor_memory[d]);
      ranks[rank] = RunRank(c, world, t, tensor.get(), data.get());
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int descriptor : data_memory) close(descriptor);
  for (const int descriptor : tensor_memory) close(descriptor);
  return ranks;
}

class UpdateLayoutTest : public ::testing::TestWithParam<Case> {};

TEST_P(UpdateLayoutTest, EveryRankHasTheWeightsOfOne) {
  const Case& c = GetParam();
  const Weights want = RunWorld(c, {})[0];
  for (size_t p = 0; p < want.size(); ++p) {
    EXPECT_NE(want[p][1], FirstWeight(static_cast<int>(p), 1))
        << Parameters()[p].name << " is not trained";
  }
  for (const World& world : std::vector<World>{
           {2, 1, 0}, {1, 2, 0}, {1, 2, 2}, {2, 2, 0}, {2, 2, 1}, {2, 2, 2}}) {
    SCOPED_TRACE(absl::StrCat("TP ", world.tensor, " x DP ", world.data,
                              ", ZeRO ", world.stage));
    const std::vector<Weights> ranks = RunWorld(c, world);
    double worst = 0;
    for (size_t rank = 0; rank < ranks.size(); ++rank) {
      for (size_t p = 0; p < want.size(); ++p) {
        const Parameter& parameter = Parameters()[p];
        const Slice slice = SliceAt(
            parameter, static_cast<int>(rank) % world.tensor, world.tensor);
        std::vector<float> expected(ranks[rank][p].size());
        FillIn(
            parameter, slice, [&](int64_t place) { return want[p][place]; },
            expected.data());
        for (size_t i = 0; i < expected.size(); ++i) {
          worst = std::max<double>(worst,
                                   std::abs(ranks[rank][p][i] - expected[i]));
        }
      }
    }
    EXPECT_LE(worst, c.tolerance);
  }
}

constexpr ElementType kHalf = ElementType::kFloat16;
constexpr ElementType kBrain = ElementType::kBFloat16;
constexpr ElementType kFull = ElementType::kFloat32;
using Kinds = v1::OptimizerConfig;

INSTANTIATE_TEST_SUITE_P(
    All, UpdateLayoutTest,
    ::testing::Values(
        Case{"Adam", Kinds::KIND_ADAM}, Case{"Adagrad", Kinds::KIND_ADAGRAD},
        Case{"Lion", Kinds::KIND_LION}, Case{"Sgd", Kinds::KIND_SGD},
        Case{"Lamb", Kinds::KIND_LAMB, kFull, kFull, kFull, 1e-7},
        Case{"Muon", Kinds::KIND_MUON},
        Case{"AdamWithMasters", Kinds::KIND_ADAM, kBrain, kFull, kFull},
        Case{"AdamWithBrainStates", Kinds::KIND_ADAM, kBrain, kFull, kBrain},
        Case{"AdamInBrain", Kinds::KIND_ADAM, kBrain, kBrain, kBrain},
        Case{"AdamInHalf", Kinds::KIND_ADAM, kHalf, kHalf, kFull},
        Case{"LionInBrain", Kinds::KIND_LION, kBrain, kBrain, kBrain},
        Case{"MuonInBrain", Kinds::KIND_MUON, kBrain, kBrain, kBrain},
        // A ratio that differs in its last bit may round another way.
        Case{"LambInBrain", Kinds::KIND_LAMB, kBrain, kBrain, kBrain, 8e-3}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace autotp::zero
