// Goal: every ZeRO stage takes the same step, and holds no more than it says.
// Method: ranks are threads over real shared memory; gradients are made up.
#include "worker/zero/flat_state.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/shared_group.h"
#include "worker/collective/factory.h"
#include "worker/zero/rounding.h"

namespace autotp::zero {
namespace {

using collective::ElementType;

constexpr ElementType kTypes[] = {ElementType::kFloat32, ElementType::kBFloat16,
                                  ElementType::kFloat16};
const std::vector<int64_t> kSizes = {40, 7, 33, 64, 3};
constexpr int kPartial = 4;  // the last one's gradient is partial
constexpr int kMicroSteps = 2;
constexpr int kSteps = 3;

std::unique_ptr<collective::Communicator> Join(const std::string& key, int size,
                                               int rank, int descriptor) {
  auto made = testing::JoinSharedGroup(key, size, rank, descriptor);
  EXPECT_TRUE(made.ok()) << made.status();
  return made.ok() ? *std::move(made) : nullptr;
}

// A gradient of one micro-step: any function of its place will do.
float MadeUp(int step, int micro, int data_rank, int parameter, int64_t i) {
  return static_cast<float>(
      std::sin(1.0 + step + 0.3 * micro + 0.7 * data_rank + parameter +
               0.01 * static_cast<double>(i * (parameter + 1))));
}

v1::TrainingConfig Config() {
  v1::TrainingConfig config;
  v1::OptimizerConfig& optimizer = *config.mutable_optimizer();
  optimizer.set_kind(v1::OptimizerConfig::KIND_ADAM);
  optimizer.set_learning_rate(0.1);
  optimizer.set_beta1(0.9);
  optimizer.set_beta2(0.99);
  optimizer.set_epsilon(1e-8);
  optimizer.set_weight_decay(0.1);
  optimizer.set_decoupled_decay(true);
  optimizer.set_bias_correction(true);
  return config;
}

struct Outcome {
  std::vector<std::vector<float>> weights;
  std::vector<double> norms;
  std::map<std::pair<int, int64_t>, std::vector<float>> owned;
  int64_t state_bytes = 0;
  int64_t gradient_bytes = 0;
  std::vector<int64_t> gathered;  // elements of each all-gather
};

std::vector<float> Values(const void* weight, int64_t count, ElementType type) {
  std::vector<float> values(count);
  Widen(weight, count, type, values.data());
  return values;
}

void Train(FlatState& state, int data_rank, ElementType weight_type,
           Outcome& outcome) {
  for (size_t p = 0; p < kSizes.size(); ++p) {
    std::vector<float> values(kSizes[p]);
    for (int64_t i = 0; i < kSizes[p]; ++i)
      values[i] = 0.01f * static_cast<float>(i) - static_cast<float>(p);
    state.SetParameter(static_cast<int>(p), values.data());
  }
  const v1::TrainingConfig config = Config();
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
    ASSERT_TRUE(state.Update(optimizer::Update(config, step, 1.0)).ok());
  }
  for (size_t p = 0; p < kSizes.size(); ++p) {
    outcome.weights.push_back(
        Values(state.Weight(static_cast<int>(p)), kSizes[p], weight_type));
  }
  for (const OwnedPiece& piece : state.OwnedPieces()) {
    outcome.owned[{piece.parameter, piece.range.begin}] = {
        piece.states[0].numbers.floats(),
        piece.states[0].numbers.floats() + piece.range.size()};
  }
  outcome.state_bytes = state.optimizer_state_bytes();
  outcome.gradient_bytes = state.gradient_bytes();
}

// Counts what is gathered through it.
class CountingGroup final : public collective::Communicator {
 public:
  explicit CountingGroup(collective::Communicator& group) : group_(group) {}

  int rank() const override { return group_.rank(); }
  int size() const override { return group_.size(); }
  std::string Describe() const override { return group_.Describe(); }
  std::unique_ptr<collective::Work> AllReduce(
      collective::Buffer buffer, collective::Reduction op) override {
    return group_.AllReduce(buffer, op);
  }
  std::unique_ptr<collective::Work> ReduceScatter(
      collective::Buffer whole, collective::Buffer part,
      collective::Reduction op) override {
    return group_.ReduceScatter(whole, part, op);
  }
  std::unique_ptr<collective::Work> AllGather(
      collective::Buffer part, collective::Buffer whole) override {
    gathered.push_back(whole.count);
    return group_.AllGather(part, whole);
  }
  std::unique_ptr<collective::Work> Broadcast(collective::Buffer buffer,
                                              int root) override {
    return group_.Broadcast(buffer, root);
  }
  absl::Status Barrier() override { return group_.Barrier(); }
  void Abort(const std::string& reason) override { group_.Abort(reason); }

  std::vector<int64_t> gathered;  // elements of each all-gather

 private:
  collective::Communicator& group_;
};

struct RunOptions {
  ElementType weight_type = ElementType::kFloat32;
  int64_t gather_elements = 0;
  ElementType gradient_type = ElementType::kFloat32;
  ElementType exchange_type = ElementType::kFloat32;
};

std::vector<Outcome> RunRanks(int data_size, int tensor_size, int stage,
                              RunOptions run = {}) {
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
      options.gather_elements = run.gather_elements;
      options.optimizer = Config().optimizer();
      options.weight_type = run.weight_type;
      options.gradient_type = run.gradient_type;
      options.exchange_type = run.exchange_type;
      std::optional<CountingGroup> counting;
      if (data) options.data_group = &counting.emplace(*data);
      options.tensor_group = tensor.get();
      auto state = FlatState::Create(parameters, options);
      ASSERT_TRUE(state.ok()) << state.status();
      Train(**state, d, run.weight_type, outcomes[rank]);
      if (counting) outcomes[rank].gathered = counting->gathered;
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

class PartialGradientTest : public ::testing::TestWithParam<RunOptions> {};

TEST_P(PartialGradientTest, AreSummedOverTheTensorGroup) {
  // What is kept more finely than it is sent is rounded once more.
  const bool again = GetParam().exchange_type == ElementType::kBFloat16;
  const float tolerance = again ? 0x1p-8f : 1e-5f;
  for (const int stage : {0, 1, 2}) {
    const std::vector<Outcome> ranks = RunRanks(2, 2, stage, GetParam());
    // Tensor ranks made the same gradients, so the sum doubles the first
    // moment of the partial parameter and leaves the others alone.
    const std::vector<Outcome> alone = RunRanks(2, 1, stage, GetParam());
    for (const auto& [place, moments] : alone[0].owned) {
      const float factor = place.first == kPartial ? 2.0f : 1.0f;
      const std::vector<float>& got = ranks[0].owned.at(place);
      for (size_t i = 0; i < moments.size(); ++i) {
        ASSERT_NEAR(got[i], factor * moments[i],
                    tolerance * std::max(1.0f, std::abs(got[i])))
            << "stage " << stage << ", parameter " << place.first;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Types, PartialGradientTest,
    ::testing::Values(RunOptions{},
                      RunOptions{.exchange_type = ElementType::kBFloat16},
                      RunOptions{.gradient_type = ElementType::kFloat16,
                                 .exchange_type = ElementType::kFloat16},
                      RunOptions{.gradient_type = ElementType::kBFloat16}));

float RoundedTo(float value, ElementType type) {
  uint32_t stored = 0;
  float back = 0;
  Round(&value, 1, type, &stored);
  Widen(&stored, 1, type, &back);
  return back;
}

// The squared norm of a step, element by element as the types say.
double RoundedNorm(int step, int stage, ElementType kept, ElementType sent) {
  constexpr int kRanks = 2;
  double squares = 0;
  for (const int p : {0, 1, 3, 4}) {
    for (int64_t i = 0; i < kSizes[p]; ++i) {
      const auto gradient = [&](int micro, int rank) {
        const float once = MadeUp(step, micro, rank, p, i);
        return p == 1 ? once + once : once;
      };
      float total = 0;
      if (stage == 2) {
        for (int micro = 0; micro < kMicroSteps; ++micro) {
          float sum = 0;
          for (int rank = 0; rank < kRanks; ++rank)
            sum += RoundedTo(gradient(micro, rank), sent);
          total = RoundedTo(total + RoundedTo(sum, sent), kept);
        }
      } else {
        for (int rank = 0; rank < kRanks; ++rank) {
          float own = 0;
          for (int micro = 0; micro < kMicroSteps; ++micro)
            own = RoundedTo(own + gradient(micro, rank), kept);
          total += RoundedTo(own, sent);
        }
        total = RoundedTo(RoundedTo(total, sent), kept);
      }
      squares += static_cast<double>(total) * total;
    }
  }
  return squares;
}

TEST(FlatState, GradientsAreRoundedWhereTheyAreKeptAndWhereTheyAreSent) {
  for (const int stage : {0, 1, 2}) {
    for (const ElementType kept : kTypes) {
      for (const ElementType sent : kTypes) {
        const std::vector<Outcome> ranks = RunRanks(
            2, 1, stage, {.gradient_type = kept, .exchange_type = sent});
        for (int step = 1; step <= kSteps; ++step) {
          const double want = RoundedNorm(step, stage, kept, sent);
          EXPECT_NEAR(ranks[0].norms[step - 1] + ranks[1].norms[step - 1], want,
                      1e-7 * want)
              << "stage " << stage << ", kept in " << static_cast<int>(kept)
              << ", sent in " << static_cast<int>(sent) << ", step " << step;
        }
        EXPECT_EQ(ranks[0].weights, ranks[1].weights);
        EXPECT_EQ(ranks[0].gradient_bytes,
                  collective::SizeOf(kept) * (stage == 2 ? 112 : 224));
      }
    }
  }
}

// Buckets of this layout at two ranks hold 64, 64, 64 and 32 elements.
TEST(FlatState, GathersNoMoreAtOnceThanIsAllowedAndTheSameBytes) {
  for (const ElementType type : kTypes) {
    for (const int stage : {1, 2}) {
      const std::vector<Outcome> whole =
          RunRanks(2, 1, stage, {.weight_type = type});
      int64_t elements = 0;  // of one step
      for (const int64_t count : whole[0].gathered) elements += count;
      elements /= kSteps;
      const struct {
        int64_t limit;
        int64_t largest;
      } kCases[] = {{1'000'000, 0}, {64, 64}, {20, 20}, {7, 6}, {1, 2}};
      for (const auto& [limit, largest] : kCases) {
        const std::vector<Outcome> cut = RunRanks(
            2, 1, stage, {.weight_type = type, .gather_elements = limit});
        for (int rank = 0; rank < 2; ++rank) {
          EXPECT_EQ(cut[rank].weights, whole[rank].weights)
              << "stage " << stage << ", at most " << limit;
          EXPECT_EQ(cut[rank].owned, whole[rank].owned);
        }
        const std::vector<int64_t>& gathered = cut[0].gathered;
        if (largest == 0) {
          EXPECT_EQ(gathered, whole[0].gathered);
          continue;
        }
        EXPECT_EQ(*std::max_element(gathered.begin(), gathered.end()), largest);
        // Each bucket takes as few as it can.
        size_t calls = 0;
        for (const int64_t count : whole[0].gathered) {
          calls += static_cast<size_t>((count + largest - 1) / largest);
        }
        EXPECT_EQ(gathered.size(), calls) << "at most " << limit;
        int64_t sum = 0;
        for (const int64_t count : gathered) sum += count;
        EXPECT_EQ(sum, elements * kSteps);
      }
    }
  }
}

TEST(FlatState, BFloat16WeightsAreRoundedMasters) {
  FlatStateOptions options;
  options.weight_type = ElementType::kBFloat16;
  auto state = FlatState::Create({{3}}, options);
  ASSERT_TRUE(state.ok()) << state.status();
  const float values[] = {1.0f, 1.0040f, -3.0f};
  (*state)->SetParameter(0, values);
  const uint16_t* weights = static_cast<const uint16_t*>((*state)->Weight(0));
  EXPECT_EQ(weights[0], 0x3f80);
  EXPECT_EQ(weights[1], 0x3f81);
  const std::vector<OwnedPiece> pieces = (*state)->OwnedPieces();
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_EQ(pieces[0].weights.floats()[1], 1.0040f);
}

}  // namespace
}  // namespace autotp::zero
