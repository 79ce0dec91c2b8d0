// Goal: the peak of a micro-step is what the runtime's rules make it.
// Method: programs so small that a reader can follow the bytes; that real runs
// agree is tests/unit/worker/trainer/estimate_test's to say.
#include "coordinator/planner/activation_memory.h"

#include <gtest/gtest.h>

#include "coordinator/partition/recompute.h"
#include "coordinator/program/builder.h"

namespace autotp::planner {
namespace {

using program::Builder;
using program::Program;
using program::ValueId;

constexpr int64_t kTokens = 4;
constexpr int64_t kWidth = 8;
constexpr int64_t kRows = 16;
constexpr int64_t kX = kTokens * kWidth * 4;  // fp32 bytes of a value
constexpr int64_t kLogits = kTokens * kRows * 4;
constexpr int64_t kLoss = 4;

// `body` between the embedding and the head.
template <typename Body>
Program MakeProgram(int64_t batch, const Body& body) {
  Builder builder("tiny", batch, kTokens);
  ValueId x = builder.Embedding("embed", builder.input_ids(),
                                {.rows = kRows, .width = kWidth});
  x = body(builder, x);
  const ValueId logits = builder.Linear("head", x, {.out = kRows});
  auto program =
      std::move(builder).Finish(builder.CrossEntropy(logits, builder.labels()));
  EXPECT_TRUE(program.ok()) << program.status();
  return *std::move(program);
}

ValueId Same(Builder&, ValueId x) { return x; }

TEST(ActivationMemoryTest, KeepsWhatTheBackwardReads) {
  // At the backward's begin: the head keeps x, the loss the gradient that it
  // wrote over the logits, and there are the loss and its gradient.
  EXPECT_EQ(PeakActivationBytes(MakeProgram(1, Same), 4),
            kX + kLogits + 2 * kLoss);
}

TEST(ActivationMemoryTest, HalfPrecisionIsWideWhileItIsComputed) {
  // In the head's forward: x and logits are there in both widths, and the
  // weight in fp32.
  const int64_t weight = kRows * kWidth * 4;
  EXPECT_EQ(PeakActivationBytes(MakeProgram(1, Same), 2),
            kX / 2 + kX + weight + kLogits + kLogits / 2);
}

TEST(ActivationMemoryTest, ViewsCostNothing) {
  const Program viewed = MakeProgram(1, [](Builder& b, ValueId x) {
    x = b.Reshape(x, {1, kTokens, 2, kWidth / 2});
    x = b.Transpose(b.Transpose(x, 1, 2), 1, 2);
    return b.Reshape(x, {1, kTokens, kWidth});
  });
  EXPECT_EQ(PeakActivationBytes(viewed, 4), kX + kLogits + 2 * kLoss);
}

TEST(ActivationMemoryTest, EachActivationKeepsItsInput) {
  const auto chain = [](int length) {
    return MakeProgram(1, [length](Builder& b, ValueId x) {
      for (int i = 0; i < length; ++i) x = b.Activation(x, "silu");
      return x;
    });
  };
  EXPECT_EQ(PeakActivationBytes(chain(1), 4),
            PeakActivationBytes(chain(0), 4) + kX);
  EXPECT_EQ(PeakActivationBytes(chain(9), 4),
            PeakActivationBytes(chain(0), 4) + 9 * kX);
}

TEST(ActivationMemoryTest, SumsAreWrittenOverWhatNobodyElseNeeds) {
  // x is kept by the activation, so the first sum is new; the second goes
  // into the first.
  const auto sums = [](int count) {
    return MakeProgram(1, [count](Builder& b, ValueId x) {
      const ValueId y = b.Activation(x, "relu");
      for (int i = 0; i < count; ++i) x = b.Add(x, y);
      return x;
    });
  };
  EXPECT_EQ(PeakActivationBytes(sums(3), 4), PeakActivationBytes(sums(1), 4));
}

// A norm, a gated MLP and a sum, in one block.
ValueId MlpBlock(Builder& b, ValueId x) {
  const auto block = b.Enter("layers.0");
  const ValueId y = b.RmsNorm("norm", x, 1e-5);
  const ValueId gate = b.Linear("gate", y, {.out = 24});
  const ValueId up = b.Linear("up", y, {.out = 24});
  return b.Add(x, b.Linear("down", b.GatedActivation(gate, up, "silu"),
                           {.out = kWidth}));
}

TEST(ActivationMemoryTest, RecomputationDropsWhatItsRegionsMake) {
  constexpr int64_t kInner = kTokens * 24 * 4;
  constexpr int64_t kMean = kTokens * 4;  // a number of each row
  Program local = MakeProgram(1, MlpBlock);
  const int64_t none = PeakActivationBytes(local, 4);
  // The norm's input and result, gate, up and what they make; the head's input.
  EXPECT_EQ(none, 3 * kX + kMean + 3 * kInner + kLogits + 2 * kLoss);

  partition::AssignRecomputation(v1::RECOMPUTATION_SELECTIVE, &local);
  MicroStepMemory memory = MeasureMicroStep(local, 4);
  // When the gate is made again, the logits are gone: then there are the
  // block's input, gate, up and what they make, and the sum's gradient.
  EXPECT_EQ(memory.peak_bytes, 2 * kX + 3 * kInner + kLoss);
  EXPECT_EQ(memory.saved_bytes, none - memory.peak_bytes);
  EXPECT_EQ(memory.flops_again, 0);

  partition::AssignRecomputation(v1::RECOMPUTATION_BLOCK, &local);
  memory = MeasureMicroStep(local, 4);
  EXPECT_LT(memory.peak_bytes, none);
  // Gate and up are multiplied again; what down makes, nobody reads.
  EXPECT_EQ(memory.flops_again, 2 * 2 * kTokens * kWidth * 24);
}

TEST(ActivationMemoryTest, GrowsEvenlyWithTheMicroBatch) {
  const auto bytes = [](int64_t batch) {
    return PeakActivationBytes(
        MakeProgram(batch,
                    [](Builder& b, ValueId x) {
                      const ValueId gate = b.Linear("gate", x, {.out = 24});
                      const ValueId up = b.Linear("up", x, {.out = 24});
                      const ValueId y =
                          b.Linear("down", b.GatedActivation(gate, up, "silu"),
                                   {.out = kWidth});
                      return b.RmsNorm("norm", b.Add(x, y), 1e-5);
                    }),
        4);
  };
  EXPECT_EQ(bytes(64) - bytes(32), 2 * (bytes(32) - bytes(16)));
}

}  // namespace
}  // namespace autotp::planner
