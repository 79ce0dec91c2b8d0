// Random programs and random rules: whatever is asked for, the local programs
// compute what the whole one does.
#include <algorithm>
#include <map>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/partition/partition.h"
#include "coordinator/program/builder.h"
#include "coordinator/program/shape_rules.h"
#include "gtest/gtest.h"
#include "proto/support/check.h"
#include "tests/support/program_interpreter.h"
#include "tests/unit/coordinator/partition/models.h"

namespace autotp::partition {
namespace {

using program::Builder;
using program::ElementCount;
using program::Operation;
using program::Program;
using program::ValueId;

constexpr int64_t kMostElements = 600;
constexpr double kTolerance = 1e-9;

// Grows a program by one random operation after the other.
class RandomProgram {
 public:
  explicit RandomProgram(uint64_t seed)
      : random_(seed), builder_("random", 2, 3) {}

  Program Make(int64_t* vocabulary) {
    const int64_t width = 2 * Pick(1, 5);
    *vocabulary = Pick(5, 14);
    pool_.push_back(
        builder_.Embedding("embed", builder_.input_ids(),
                           {.rows = *vocabulary,
                            .width = width,
                            .padding_idx = Pick(-1, *vocabulary - 1)}));
    if (Chance(2)) pool_.push_back(Weight({width}));
    const int64_t steps = Pick(4, 16);
    for (int64_t i = 0; i < steps; ++i) Step();
    ValueId sum = pool_[0];
    const int64_t joined = Pick(1, 3);
    for (int64_t i = 0; i < joined; ++i) sum = Into(sum, Choose());
    std::string tied;
    if (Chance(2) && builder_.ShapeOf(sum).back() == width)
      tied = "embed.weight";
    const ValueId logits = builder_.Linear("head", sum,
                                           {.out = *vocabulary,
                                            .bias = tied.empty() && Chance(2),
                                            .tied_to = tied});
    absl::StatusOr<Program> program = std::move(builder_).Finish(
        builder_.CrossEntropy(logits, builder_.labels(),
                              /*shift=*/!Chance(4)));
    AUTOTP_CHECK(program.ok(), program.status().ToString());
    return *std::move(program);
  }

 private:
  int64_t Pick(int64_t least, int64_t most) {
    return std::uniform_int_distribution<int64_t>(least, most)(random_);
  }
  bool Chance(int one_in) { return Pick(1, one_in) == 1; }
  ValueId Choose() {
    // Rather something recent, for depth.
    const int64_t last = static_cast<int64_t>(pool_.size()) - 1;
    return pool_[Chance(2) ? last : Pick(0, last)];
  }
  std::string Name() { return absl::StrCat("p", names_++); }
  ValueId Weight(std::vector<int64_t> shape) {
    return builder_.Parameter(Name(), std::move(shape), {});
  }
  void Keep(ValueId v) {
    if (v != program::kNoValue &&
        ElementCount(builder_.ShapeOf(v)) <= kMostElements)
      pool_.push_back(v);
  }

  // `x` by reshape and linear to the shape of `sum`, added to it.
  ValueId Into(ValueId sum, ValueId x) {
    const std::vector<int64_t> shape = builder_.ShapeOf(sum);
    const int64_t count = ElementCount(builder_.ShapeOf(x));
    const int64_t rows = ElementCount(shape) / shape.back();
    if (count % rows != 0) return sum;
    x = builder_.Reshape(x, {shape[0], shape[1], count / rows});
    if (count / rows != shape.back() || Chance(2)) {
      x = builder_.Linear(
          Name(), x, {.out = shape.back(), .bias = Chance(2), .tied_to = ""});
    }
    return builder_.Add(sum, x);
  }

  void Step() {
    const ValueId x = Choose();
    const std::vector<int64_t> shape = builder_.ShapeOf(x);
    const int64_t rank = static_cast<int64_t>(shape.size());
    switch (Pick(0, 13)) {
      case 0:
      case 1:
        return Keep(builder_.Linear(Name(), x,
                                    {.out = Pick(1, 12),
                                     .bias = Chance(2),
                                     .transposed = Chance(3),
                                     .tied_to = ""}));
      case 2:
        return Norm(x);
      case 3:
        return Keep(Chance(3)
                        ? builder_.SoftCap(x, 1.5)
                        : builder_.Activation(x, Chance(2) ? "silu" : "gelu"));
      case 4:
        return Keep(builder_.Scale(x, 0.5));
      case 5:
        return Binary(x, shape);
      case 6:
        return Broadcast(x, shape);
      case 7:
        return Keep(
            builder_.Transpose(x, Pick(0, rank - 1), Pick(0, rank - 1)));
      case 8:
        return SliceSome(x, shape);
      case 9:
        return ConcatSome(x, shape);
      case 10:
        return ReshapeSome(x, shape);
      case 11:
      case 12:
        return Mlp(x);
      default:
        return Attention(x, shape);
    }
  }

  void Norm(ValueId x) {
    switch (Pick(0, 3)) {
      case 0:
        return Keep(builder_.LayerNorm(Name(), x, 1e-3, Chance(2)));
      case 1:
        return Keep(builder_.Normalize(x, 1e-3));
      default:
        return Keep(
            builder_.RmsNorm(Name(), x, 1e-3, /*offset=*/Chance(2) ? 1 : 0));
    }
  }

  void Binary(ValueId x, const std::vector<int64_t>& shape) {
    for (int tries = 0; tries < 8; ++tries) {
      const ValueId y = Choose();
      if (builder_.ShapeOf(y) != shape) continue;
      switch (Pick(0, 2)) {
        case 0:
          return Keep(builder_.Add(x, y));
        case 1:
          return Keep(builder_.Mul(x, y));
        default:
          return Keep(builder_.GatedActivation(x, y, "silu"));
      }
    }
  }

  void Broadcast(ValueId x, std::vector<int64_t> shape) {
    shape.erase(shape.begin(),
                shape.begin() + Pick(0, static_cast<int64_t>(shape.size())));
    for (int64_t& length : shape)
      if (Chance(4)) length = 1;
    const ValueId y = Weight(std::move(shape));
    Keep(Chance(2) ? builder_.Add(x, y) : builder_.Mul(x, y));
  }

  void SliceSome(ValueId x, const std::vector<int64_t>& shape) {
    const int64_t dim = Pick(0, static_cast<int64_t>(shape.size()) - 1);
    const int64_t begin = Pick(0, shape[dim] - 1);
    const int64_t end = Pick(begin + 1, shape[dim]);
    Keep(builder_.Slice(x, dim, begin, end));
    if (Chance(2) && begin > 0) Keep(builder_.Slice(x, dim, 0, begin));
  }

  void ConcatSome(ValueId x, const std::vector<int64_t>& shape) {
    const int64_t dim = Pick(0, static_cast<int64_t>(shape.size()) - 1);
    std::vector<ValueId> parts{x};
    for (int tries = 0; tries < 6; ++tries) {
      const ValueId y = Choose();
      std::vector<int64_t> other = builder_.ShapeOf(y);
      if (other.size() != shape.size()) continue;
      other[dim] = shape[dim];
      if (other == shape) parts.push_back(y);
    }
    Keep(builder_.Concat(std::move(parts), dim));
  }

  void ReshapeSome(ValueId x, std::vector<int64_t> shape) {
    const int64_t last = static_cast<int64_t>(shape.size()) - 1;
    const int64_t dim = Pick(0, last);
    if (Chance(2) && dim < last) {
      shape[dim] *= shape[dim + 1];
      shape.erase(shape.begin() + dim + 1);
    } else if (shape.size() < 5) {
      std::vector<int64_t> factors;
      for (int64_t f = 1; f <= shape[dim]; ++f)
        if (shape[dim] % f == 0) factors.push_back(f);
      const int64_t f =
          factors[Pick(0, static_cast<int64_t>(factors.size()) - 1)];
      shape[dim] /= f;
      shape.insert(shape.begin() + dim, f);
    }
    Keep(builder_.Reshape(x, shape));
  }

  void Mlp(ValueId x) {
    const int64_t inner = Pick(1, 12);
    const ValueId up = builder_.Linear(
        Name(), x, {.out = inner, .bias = Chance(2), .tied_to = ""});
    const ValueId y = builder_.Linear(
        Name(), builder_.Activation(up, "gelu_tanh"),
        {.out = builder_.ShapeOf(x).back(), .bias = Chance(2), .tied_to = ""});
    Keep(Chance(2) ? builder_.Add(x, y) : y);
  }

  void Attention(ValueId x, const std::vector<int64_t>& shape) {
    if (shape.size() != 3) return;
    const int64_t groups = Pick(1, 4);
    const int64_t heads = groups * Pick(1, 3);
    const int64_t width = 2 * Pick(1, 2);
    const auto project = [&](int64_t count) {
      ValueId y = builder_.Linear(
          Name(), x, {.out = count * width, .bias = Chance(3), .tied_to = ""});
      y = builder_.Transpose(
          builder_.Reshape(y, {shape[0], shape[1], count, width}), 1, 2);
      if (Chance(3)) y = builder_.RmsNorm(Name(), y, 1e-3);
      if (Chance(3)) {
        y = builder_.Rotary(y, builder_.RotaryTable({0.7}, shape[1]),
                            /*interleaved=*/Chance(2));
      }
      return y;
    };
    const ValueId q = project(heads);
    const ValueId k = project(groups);
    const ValueId v = Chance(4) ? k : project(groups);
    ValueId bias = program::kNoValue;
    if (Chance(3)) {
      std::vector<double> slopes;
      for (int64_t head = 0; head < heads; ++head)
        slopes.push_back(0.3 * static_cast<double>(head + 1));
      bias = builder_.AlibiTable({.slopes = slopes, .length = shape[1]});
    }
    const ValueId y = builder_.Attention(q, k, v,
                                         {.scale = 0.7,
                                          .window = Pick(0, 3),
                                          .soft_cap = Chance(3) ? 0.8 : 0,
                                          .bias = bias,
                                          .causal = !Chance(4)});
    Keep(builder_.Reshape(builder_.Transpose(y, 1, 2),
                          {shape[0], shape[1], heads * width}));
    if (Chance(2)) Keep(y);
  }

  std::mt19937_64 random_;
  Builder builder_;
  std::vector<ValueId> pool_;
  int names_ = 0;
};

std::map<std::string, ParameterRequest> RandomRequests(
    const Program& program, std::mt19937_64* random) {
  std::map<std::string, ParameterRequest> requests;
  const uint64_t kinds = 1 + (*random)() % 4;
  for (const program::Parameter& parameter : program.parameters) {
    switch ((*random)() % (2 + kinds)) {
      case 1:
        requests[parameter.name] = {ParameterRequest::Want::kWhole, 0};
        break;
      case 2:
        if (parameter.shape.empty()) break;
        requests[parameter.name] = {
            ParameterRequest::Want::kCut,
            static_cast<int>((*random)() % parameter.shape.size())};
        break;
      default:
        break;
    }
  }
  return requests;
}

// What the local programs of a test ran, by operation; so that a test that
// stops to exercise something fails.
using Seen = std::map<Operation, int>;

void ExpectRight(const Program& program, int64_t vocabulary, int ranks,
                 const std::map<std::string, ParameterRequest>& requests,
                 uint64_t seed, Seen* seen) {
  const bool sequence_parallel = seed / 5 % 2 == 1;
  SCOPED_TRACE(sequence_parallel ? "tokens cut" : "tokens whole");
  const absl::StatusOr<Partitioned> result =
      Partition(program, {.tensor_parallel_size = ranks,
                          .requests = requests,
                          .sequence_parallel = sequence_parallel});
  ASSERT_TRUE(result.ok()) << result.status();
  const absl::Status status = autotp::testing::CompareWithWhole(
      program, result->locals, autotp::testing::RandomParameters(program, seed),
      autotp::testing::RandomInputs(program, vocabulary, seed), kTolerance);
  EXPECT_TRUE(status.ok()) << status;
  for (const program::Node& node : result->locals[0].nodes)
    ++(*seen)[node.operation];
}

void ExpectSeen(const Seen& seen) {
  for (Operation operation :
       {Operation::kCopy, Operation::kAllReduce, Operation::kAllGather,
        Operation::kReduceScatter, Operation::kTake, Operation::kAttention,
        Operation::kReshape})
    EXPECT_GT(seen.contains(operation) ? seen.at(operation) : 0, 20)
        << OperationName(operation);
}

constexpr int kRankCounts[] = {2, 3, 4, 8};

TEST(RandomPartitionTest, RandomProgramsByDataflow) {
  Seen seen;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    int64_t vocabulary = 0;
    const Program program = RandomProgram(seed).Make(&vocabulary);
    const int ranks = kRankCounts[seed % 4];
    SCOPED_TRACE(absl::StrCat("seed ", seed, ", ", ranks, " ranks"));
    ExpectRight(program, vocabulary, ranks, {}, seed, &seen);
    if (HasFailure()) return;
  }
  ExpectSeen(seen);
}

TEST(RandomPartitionTest, RandomProgramsByRandomRules) {
  Seen seen;
  for (uint64_t seed = 0; seed < 1500; ++seed) {
    int64_t vocabulary = 0;
    const Program program = RandomProgram(seed).Make(&vocabulary);
    std::mt19937_64 random(seed);
    const int ranks = kRankCounts[seed / 3 % 4];
    SCOPED_TRACE(absl::StrCat("seed ", seed, ", ", ranks, " ranks"));
    ExpectRight(program, vocabulary, ranks, RandomRequests(program, &random),
                seed, &seen);
    if (HasFailure()) return;
  }
  ExpectSeen(seen);
}

TEST(RandomPartitionTest, ModelsByRandomRules) {
  const std::vector<Program> programs = {
      MakeLlama({.layers = 1, .heads = 8, .groups = 2, .tied = true}),
      MakeLlama({.layers = 1,
                 .heads = 4,
                 .groups = 4,
                 .attention_bias = true,
                 .mlp_bias = true,
                 .head_norms = true}),
      MakeLlama({.layers = 1, .full_norms = true, .padding_idx = 2}),
      MakeLlama({.layers = 1, .heads = 6, .groups = 3, .fused = true}),
      MakeGpt2({.layers = 1}),
      MakeGpt2({.layers = 1, .parallel = true}),
  };
  Seen seen;
  for (uint64_t seed = 0; seed < 360; ++seed) {
    const Program& program = programs[seed % programs.size()];
    std::mt19937_64 random(seed);
    const int ranks = kRankCounts[seed / programs.size() % 4];
    SCOPED_TRACE(
        absl::StrCat("seed ", seed, ", ", program.name, ", ", ranks, " ranks"));
    ExpectRight(program, 17, ranks, RandomRequests(program, &random), seed,
                &seen);
    if (HasFailure()) return;
  }
  ExpectSeen(seen);
}

}  // namespace
}  // namespace autotp::partition
