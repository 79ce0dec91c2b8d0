// Goal: every ZeRO stage takes the same step, and holds no more than it says.
// Method: ranks are threads over real shared memory; gradients are made up.
#include "worker/zero/flat_state.h"

#include <unistd.h>

#include <cmath>
#include <map>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/collective/factory.h"

namespace autotp::zero {
namespace {

const std::vector<int64_t> kSizes = {40, 7, 33, 64, 3};
constexpr int kPartial = 4;  // the last one's gradient is partial
constexpr int kMicroSteps = 2;
constexpr int kSteps = 3;

class NoKeys final : public collective::KeyStore {
 public:
  absl::Status Set(const std::string&, const std::string&) override {
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> Get(const std::string& key,
                                  absl::Duration) override {
    return absl::DeadlineExceededError(key);
  }
};

std::unique_ptr<collective::Communicator> Join(const std::string& key, int size,
                                               int rank, int descriptor) {
  v1::ProcessGroup group;
  group.set_key(key);
  for (int i = 0; i < size; ++i) group.add_ranks(i);
  group.set_backend(v1::ProcessGroup::BACKEND_SHARED_MEMORY);
  collective::GroupOptions options;
  options.memory_descriptor = dup(descriptor);
  NoKeys keys;
  auto made = collective::CreateCommunicator(group, rank, keys, options);
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

// A gradient of one micro-step: any function of its place will do.
float MadeUp(int step, int micro, int data_rank, int parameter, int64_t i) {
  return static_cast<float>(
      std::sin(1.0 + step + 0.3 * micro + 0.7 * data_rank + parameter +
               0.01 * static_cast<double>(i * (parameter + 1))));
}

struct Outcome {
  std::vector<std::vector<float>> weights;
  std::vector<double> norms;
  std::map<std::pair<int, int64_t>, std::vector<float>> owned;
  int64_t state_bytes = 0;
};

void Train(FlatState& state, int data_rank, Outcome& outcome) {
  for (size_t p = 0; p < kSizes.size(); ++p) {
    std::vector<float> values(kSizes[p]);
    for (int64_t i = 0; i < kSizes[p]; ++i)
      values[i] = 0.01f * static_cast<float>(i) - static_cast<float>(p);
    state.SetParameter(static_cast<int>(p), values.data());
  }
  v1::OptimizerConfig config;
  config.set_beta1(0.9);
  config.set_beta2(0.99);
  config.set_epsilon(1e-8);
  config.set_weight_decay(0.1);
  config.set_decoupled_decay(true);
  config.set_bias_correction(true);
  for (int step = 1; step <= kSteps; ++step) {
    state.BeginStep();
    for (int micro = 0; micro < kMicroSteps; ++micro) {
      state.BeginMicroStep();
      // As a backward does: from the last to the first; parameter 1 is used
      // twice, parameter 2 not at all.
      for (int p = static_cast<int>(kSizes.size()) - 1; p >= 0; --p) {
        for (int use = 0; use < (p == 1 ? 2 : p == 2 ? 0 : 1); ++use) {
          const runtime::GradientSlot slot = state.Gradient(p);
          for (int64_t i = 0; i < kSizes[p]; ++i) {
            const float g = MadeUp(step, micro, data_rank, p, i);
            slot.data[i] = slot.add ? slot.data[i] + g : g;
          }
        }
        ASSERT_TRUE(state.GradientDone(p).ok());
      }
      ASSERT_TRUE(state.FinishMicroStep().ok());
    }
    ASSERT_TRUE(state.ReduceGradients().ok());
    outcome.norms.push_back(state.SquaredNorm());
    ASSERT_TRUE(
        state.Update(optimizer::MakeAdamStep(config, step, 0.1, 1.0)).ok());
  }
  for (size_t p = 0; p < kSizes.size(); ++p) {
    const float* weight =
        static_cast<const float*>(state.Weight(static_cast<int>(p)));
    outcome.weights.emplace_back(weight, weight + kSizes[p]);
  }
  for (const OwnedPiece& piece : state.OwnedPieces()) {
    outcome.owned[{piece.parameter, piece.range.begin}] = {
        piece.exp_avg, piece.exp_avg + piece.range.size()};
  }
  outcome.state_bytes = state.optimizer_state_bytes();
}

std::vector<Outcome> RunRanks(int data_size, int tensor_size, int stage) {
  const int world = data_size * tensor_size;
  std::vector<int> data_memory, tensor_memory;
  for (int i = 0; i < tensor_size; ++i)
    data_memory.push_back(*collective::CreateSharedMemory(data_size));
  for (int i = 0; i < data_size; ++i)
    tensor_memory.push_back(*collective::CreateSharedMemory(tensor_size));
  std::vector<Outcome> outcomes(world);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < world; ++rank) {
    threads.emplace_back([&, rank] {
      const int d = rank / tensor_size;
      const int t = rank % tensor_size;
      std::unique_ptr<collective::Communicator> data, tensor;
      if (data_size > 1) data = Join("dp", data_size, d, data_memory[t]);
      if (tensor_size > 1)
        tensor = Join("tp", tensor_size, t, tensor_memory[d]);
      std::vector<ParameterInfo> parameters;
      for (size_t p = 0; p < kSizes.size(); ++p) {
        parameters.push_back(
            {kSizes[p], static_cast<int>(p) == kPartial, t == 0});
      }
      FlatStateOptions options;
      options.zero_stage = stage;
      options.bucket_elements = 80;
      options.data_group = data.get();
      options.tensor_group = tensor.get();
      auto state = FlatState::Create(parameters, options);
      ASSERT_TRUE(state.ok()) << state.status();
      Train(**state, d, outcomes[rank]);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int descriptor : data_memory) close(descriptor);
  for (const int descriptor : tensor_memory) close(descriptor);
  return outcomes;
}

TEST(FlatState, StagesZeroAndOneAgreeToTheBitAndTwoWithinRounding) {
  const std::vector<Outcome> zero = RunRanks(2, 1, 0);
  const std::vector<Outcome> one = RunRanks(2, 1, 1);
  const std::vector<Outcome> two = RunRanks(2, 1, 2);
  for (int rank = 0; rank < 2; ++rank) {
    EXPECT_EQ(zero[rank].weights, zero[0].weights) << "rank " << rank;
    EXPECT_EQ(zero[rank].weights, one[rank].weights) << "rank " << rank;
    EXPECT_EQ(zero[rank].owned, one[rank].owned) << "rank " << rank;
    EXPECT_EQ(zero[rank].norms, one[rank].norms) << "rank " << rank;
    for (size_t p = 0; p < kSizes.size(); ++p) {
      EXPECT_THAT(two[rank].weights[p],
                  ::testing::Pointwise(::testing::FloatNear(1e-5f),
                                       zero[rank].weights[p]))
          << "rank " << rank << ", parameter " << p;
    }
  }
  EXPECT_EQ(2 * one[0].state_bytes, zero[0].state_bytes);
  EXPECT_EQ(two[0].state_bytes, one[0].state_bytes);
}

TEST(FlatState, TwoRanksStepAsOneThatSeesBothGradients) {
  const std::vector<Outcome> ranks = RunRanks(2, 1, 1);
  // Gradients of the parameters that are used: the sum over ranks and
  // micro-steps, squared.
  double want = 0;
  for (const int p : {0, 1, 3, 4}) {
    for (int64_t i = 0; i < kSizes[p]; ++i) {
      double sum = 0;
      for (int micro = 0; micro < kMicroSteps; ++micro) {
        for (int d = 0; d < 2; ++d) sum += MadeUp(1, micro, d, p, i);
      }
      want += std::pow(p == 1 ? 2 * sum : sum, 2);
    }
  }
  EXPECT_NEAR(ranks[0].norms[0] + ranks[1].norms[0], want, 1e-4 * want);
}

TEST(FlatState, PartialGradientsAreSummedOverTheTensorGroup) {
  for (const int stage : {0, 1, 2}) {
    const std::vector<Outcome> ranks = RunRanks(2, 2, stage);
    // Tensor ranks made the same gradients, so the sum doubles the first
    // moment of the partial parameter and leaves the others alone.
    const std::vector<Outcome> alone = RunRanks(2, 1, stage);
    for (const auto& [place, moments] : alone[0].owned) {
      const float factor = place.first == kPartial ? 2.0f : 1.0f;
      const std::vector<float>& got = ranks[0].owned.at(place);
      for (size_t i = 0; i < moments.size(); ++i) {
        ASSERT_NEAR(got[i], factor * moments[i], 1e-5)
            << "stage " << stage << ", parameter " << place.first;
      }
    }
  }
}

TEST(FlatState, BFloat16WeightsAreRoundedMasters) {
  FlatStateOptions options;
  options.bfloat16 = true;
  auto state = FlatState::Create({{3}}, options);
  ASSERT_TRUE(state.ok()) << state.status();
  const float values[] = {1.0f, 1.0040f, -3.0f};
  (*state)->SetParameter(0, values);
  const uint16_t* weights = static_cast<const uint16_t*>((*state)->Weight(0));
  EXPECT_EQ(weights[0], 0x3f80);
  EXPECT_EQ(weights[1], 0x3f81);
  const std::vector<OwnedPiece> pieces = (*state)->OwnedPieces();
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_EQ(pieces[0].weights[1], 1.0040f);
}

}  // namespace
}  // namespace autotp::zero
