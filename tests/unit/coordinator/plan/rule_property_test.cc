// Random models, rule sets and sizes: whatever rules say, every weight is tiled
// or replicated exactly, biases follow, and the ranks compute what one does.
#include <algorithm>
#include <map>
#include <random>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "coordinator/partition/partition.h"
#include "coordinator/plan/presets.h"
#include "coordinator/plan/weight_role.h"
#include "gtest/gtest.h"
#include "tests/support/program_interpreter.h"
#include "tests/unit/coordinator/partition/models.h"
#include "tests/unit/coordinator/plan/plan_testing.h"

namespace autotp::plan {
namespace {

using partition::ParameterCut;
using partition::Partitioned;
using program::Program;

constexpr uint64_t kPlans = 2400;
constexpr uint64_t kOneRunIn = 12;  // of the plans
constexpr double kTolerance = 1e-9;

// What the random plans had in them, so that a test which stops to exercise
// something fails.
using Seen = std::map<std::string, int>;

class RandomCase {
 public:
  explicit RandomCase(uint64_t seed) : random_(seed) {}

  Program Model() {
    if (Chance(4)) {
      const int64_t heads = Pick(1, 6);
      return partition::MakeGpt2({.layers = static_cast<int>(Pick(1, 2)),
                                  .heads = heads,
                                  .hidden = heads * Pick(1, 4),
                                  .vocabulary = Pick(5, 23),
                                  .fused = Chance(2),
                                  .parallel = Chance(2),
                                  .norms = static_cast<int>(Pick(1, 2))});
    }
    const int64_t groups = Pick(1, 4);
    const int64_t norms = Pick(0, 5);
    return partition::MakeLlama({.layers = static_cast<int>(Pick(1, 2)),
                                 .tokens = 3,
                                 .hidden = Pick(3, 12),
                                 .heads = groups * Pick(1, 3),
                                 .groups = groups,
                                 .head_width = 2 * Pick(1, 2),
                                 .intermediate = Pick(1, 11),
                                 .vocabulary = Pick(5, 23),
                                 .attention_bias = Chance(2),
                                 .mlp_bias = Chance(2),
                                 .tied = Chance(2),
                                 .head_norms = norms == 1,
                                 .full_norms = norms == 2,
                                 .fused = Chance(2),
                                 .padding_idx = Pick(-1, 4)});
  }

  config::TensorParallelRequest Rules() {
    config::TensorParallelRequest request = AtSize(kSizes[Pick(0, 5)]);
    request.vocabulary_parallel =
        static_cast<config::VocabularyParallel>(Pick(0, 2));
    if (Chance(4)) request.grain = Pick(2, 5);
    if (Chance(3)) {
      const std::vector<absl::string_view> names = PresetNames();
      request.preset_model = {
          std::string(names[Pick(0, static_cast<int64_t>(names.size()) - 1)]),
          {}};
    }
    if (Chance(8)) return request;  // the table's plan, or heuristics
    request.partition_config.emplace();
    request.partition_config->use_default_specs = Chance(2);
    for (int64_t i = Pick(0, 5); i > 0; --i) {
      request.partition_config->specs.push_back(RandomSpec());
    }
    return request;
  }

  std::string ModelType() { return Chance(2) ? "llama" : "other"; }

 private:
  static constexpr int64_t kSizes[] = {2, 2, 3, 4, 5, 8};

  int64_t Pick(int64_t least, int64_t most) {
    return std::uniform_int_distribution<int64_t>(least, most)(random_);
  }
  bool Chance(int one_in) { return Pick(1, one_in) == 1; }

  config::LayerSpec RandomSpec() {
    static const std::vector<std::string>* const patterns =
        new std::vector<std::string>{R"(.*\.q_proj\.weight$)",
                                     ".*[kv]_proj",
                                     ".*qkv_proj",
                                     ".*c_attn",
                                     ".*o_proj",
                                     ".*c_proj",
                                     ".*(gate|up|gate_up)_proj",
                                     ".*c_fc",
                                     ".*down_proj",
                                     R"(.*\.0\..*)",
                                     R"(.*\.1\.mlp)",
                                     ".*norm|.*ln_",
                                     ".*embed|wte",
                                     "lm_head",
                                     ".*proj",
                                     ".*"};
    constexpr config::PartitionType kTypes[] = {config::PartitionType::kColumn,
                                                config::PartitionType::kRow,
                                                config::PartitionType::kSkip};
    config::LayerSpec spec =
        Spec((*patterns)[Pick(0, static_cast<int64_t>(patterns->size()) - 1)],
             kTypes[Pick(0, 2)]);
    spec.gather_output = Chance(4);
    spec.grad_allreduce = Chance(4);
    if (Chance(6)) spec.model_types = {"llama"};
    if (Chance(4) && spec.type == config::PartitionType::kColumn) {
      spec.shape = {Pick(1, 3), int64_t{-1}};
    }
    return spec;
  }

  std::mt19937_64 random_;
};

// Each rank's part taken out of the whole and put back covers every number
// exactly once, or every rank has the whole.
void ExpectTiles(const program::Parameter& parameter, const ParameterCut& cut,
                 const std::vector<Program>& locals, size_t index, Seen* seen) {
  SCOPED_TRACE(parameter.name);
  autotp::testing::Tensor numbers = autotp::testing::Zeros(parameter.shape);
  for (size_t i = 0; i < numbers.data.size(); ++i) {
    numbers.data[i] = static_cast<double>(i);
  }
  std::map<double, int> found;
  for (size_t rank = 0; rank < locals.size(); ++rank) {
    const program::Parameter& local = locals[rank].parameters[index];
    EXPECT_EQ(local.name, parameter.name);
    EXPECT_EQ(local.cut_dim, cut.dim);
    const std::vector<int64_t>& shape = locals[rank].values[local.value].shape;
    if (cut.dim < 0) {
      EXPECT_EQ(shape, parameter.shape);
      continue;
    }
    EXPECT_EQ(local.intervals, cut.ranks[rank]);
    const autotp::testing::Tensor part =
        autotp::testing::TakeIntervals(numbers, cut.dim, cut.ranks[rank]);
    EXPECT_EQ(part.shape, shape);
    for (const double number : part.data) ++found[number];
    if (part.data.empty()) ++(*seen)["a rank with nothing"];
    if (part.shape != locals[0].values[locals[0].parameters[index].value].shape)
      ++(*seen)["uneven"];
  }
  if (cut.dim < 0) {
    ++(*seen)["whole"];
    return;
  }
  ++(*seen)["cut"];
  if (cut.blocks.size() > 1) ++(*seen)["by blocks"];
  if (!parameter.aliases.empty()) ++(*seen)["tied and cut"];
  EXPECT_EQ(found.size(), numbers.data.size());
  for (const auto& [number, times] : found) ASSERT_EQ(times, 1) << number;
}

void ExpectBiasesFollow(const Program& whole, const Partitioned& partitioned,
                        Seen* seen) {
  const std::vector<WeightRole> roles = WeightRoles(whole);
  for (size_t p = 0; p < roles.size(); ++p) {
    if (roles[p].weight_of_bias < 0) continue;
    const std::string& name = whole.parameters[p].name;
    const ParameterCut& bias = partitioned.parameters.at(name);
    const ParameterCut& weight = partitioned.parameters.at(
        whole.parameters[roles[p].weight_of_bias].name);
    if (weight.dim == 0) {
      EXPECT_EQ(bias.dim, 0) << name;
      EXPECT_EQ(bias.ranks, weight.ranks) << name;
      ++(*seen)["bias cut"];
    } else {
      EXPECT_EQ(bias.dim, -1) << name;
    }
  }
}

bool IsRefused(const config::Diagnostics& diagnostics) {
  for (const v1::Diagnostic& diagnostic : diagnostics.all()) {
    if (diagnostic.severity() == v1::Diagnostic::SEVERITY_ERROR &&
        !absl::StartsWith(diagnostic.reason(), "SHAPE_") &&
        diagnostic.reason() != "VOCABULARY_TOO_SMALL") {
      return false;
    }
  }
  return true;
}

void CheckOne(uint64_t seed, Seen* seen) {
  RandomCase random(seed);
  const Program whole = random.Model();
  const config::TensorParallelRequest request = random.Rules();
  const Placed placed = PlaceAll(request, whole, {random.ModelType(), {}});
  if (placed.diagnostics.has_error()) {
    EXPECT_TRUE(IsRefused(placed.diagnostics));
    ++(*seen)["refused"];
    return;
  }
  ++(*seen)["plans"];
  partition::PartitionOptions options;
  options.tensor_parallel_size = static_cast<int>(request.size);
  options.grain = request.grain;
  for (const auto& [name, placement] : placed.by_name) {
    options.requests[name] = placement.request;
  }
  const auto partitioned = partition::Partition(whole, options);
  ASSERT_TRUE(partitioned.ok()) << partitioned.status();
  for (size_t p = 0; p < whole.parameters.size(); ++p) {
    const program::Parameter& parameter = whole.parameters[p];
    const ParameterCut& cut = partitioned->parameters.at(parameter.name);
    ExpectTiles(parameter, cut, partitioned->locals, p, seen);
    if (cut.dim < 0 && cut.partial_gradient) ++(*seen)["partial gradient"];
  }
  ExpectBiasesFollow(whole, *partitioned, seen);
  for (const partition::CollectiveUse& use : partitioned->collectives) {
    if (use.operation != program::Operation::kAllGather) continue;
    // People are told which operation needs it, and what avoids it.
    EXPECT_TRUE(absl::StrContains(use.reason, " in ")) << use.reason;
    EXPECT_TRUE(absl::StrContains(use.reason, "whole")) << use.reason;
    ++(*seen)["gathers"];
  }
  if (seed % kOneRunIn != 0) return;
  ++(*seen)["runs"];
  const absl::Status status = autotp::testing::CompareWithWhole(
      whole, partitioned->locals,
      autotp::testing::RandomParameters(whole, seed),
      autotp::testing::RandomInputs(whole, 5, seed), kTolerance);
  EXPECT_TRUE(status.ok()) << status;
}

TEST(RulePropertyTest, AnyRuleSetIsRight) {
  Seen seen;
  for (uint64_t seed = 0; seed < kPlans; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    CheckOne(seed, &seen);
    if (HasFailure()) return;
  }
  for (const auto& [what, least] : Seen{{"plans", 2000},
                                        {"runs", 100},
                                        {"refused", 20},
                                        {"cut", 2000},
                                        {"whole", 2000},
                                        {"by blocks", 200},
                                        {"uneven", 500},
                                        {"a rank with nothing", 100},
                                        {"tied and cut", 100},
                                        {"bias cut", 500},
                                        {"partial gradient", 500},
                                        {"gathers", 500}}) {
    EXPECT_GE(seen[what], least) << what;
  }
}

// The rule sets that people get wrong, on separate and fused weights.
TEST(RulePropertyTest, RulesThatLookWrongAreRightToo) {
  constexpr auto kColumn = config::PartitionType::kColumn;
  constexpr auto kRow = config::PartitionType::kRow;
  constexpr auto kSkip = config::PartitionType::kSkip;
  config::LayerSpec gathered = Spec(".*[qkv]_proj", kColumn);
  gathered.gather_output = true;
  const std::vector<std::vector<config::LayerSpec>> sets = {
      {Spec(".*q_proj", kSkip), Spec(".*[kv]_proj", kColumn),
       Spec(".*o_proj", kRow)},
      {Spec(".*k_proj", kSkip), Spec(".*[qv]_proj", kColumn),
       Spec(".*o_proj", kRow)},
      {Spec(".*v_proj", kSkip), Spec(".*[qk]_proj", kColumn)},
      {Spec(".*[qkv]_proj", kRow), Spec(".*o_proj", kColumn)},
      {gathered, Spec(".*o_proj", kColumn)},
      {Spec(".*up_proj", kColumn), Spec(".*down_proj", kColumn)},
      {Spec(".*(gate|up)_proj", kRow), Spec(".*down_proj", kSkip)},
      {Spec(".*embed", kColumn), Spec("lm_head", kRow)},
      {Spec(".*embed", kSkip), Spec("lm_head", kColumn)},
      {Spec(".*", kColumn)},
      {Spec(".*", kRow)},
      {Spec(".*", kSkip)}};
  for (const bool fused : {false, true}) {
    for (const bool tied : {false, true}) {
      for (const int64_t size : {2, 3, 5}) {
        const Program whole = TinyLlama(tied, fused);
        for (size_t i = 0; i < sets.size(); ++i) {
          SCOPED_TRACE(absl::StrCat("set ", i, ", size ", size, fused, tied));
          config::TensorParallelRequest request = WithSpecs(sets[i]);
          request.size = size;
          const Placed placed = PlaceAll(request, whole);
          ASSERT_FALSE(placed.diagnostics.has_error());
          partition::PartitionOptions options;
          options.tensor_parallel_size = static_cast<int>(size);
          for (const auto& [name, placement] : placed.by_name) {
            options.requests[name] = placement.request;
          }
          const auto partitioned = partition::Partition(whole, options);
          ASSERT_TRUE(partitioned.ok()) << partitioned.status();
          const absl::Status status = autotp::testing::CompareWithWhole(
              whole, partitioned->locals,
              autotp::testing::RandomParameters(whole, i),
              autotp::testing::RandomInputs(whole, 16, i), kTolerance);
          EXPECT_TRUE(status.ok()) << status;
        }
      }
    }
  }
}

}  // namespace
}  // namespace autotp::plan
