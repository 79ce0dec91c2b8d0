// Goal: layouts are enumerated, ranked and held against the limit as promised.
// Method: tables over a made-up measure, whose costs are easy to reason about.
#include "coordinator/planner/tune.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace autotp::planner {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kGibi = int64_t{1} << 30;

std::string Name(const v1::LayoutChoice& choice) {
  return absl::StrCat(
      "tp", choice.tensor_parallel_size(), " dp", choice.data_parallel_size(),
      " z", choice.zero_stage(), " m", choice.micro_batch_size(), " a",
      choice.accumulation_steps(),
      choice.recomputation() == v1::RECOMPUTATION_SELECTIVE ? " selective"
      : choice.recomputation() == v1::RECOMPUTATION_BLOCK   ? " block"
                                                            : "");
}

std::vector<std::string> Names(const v1::TuneResult& result) {
  std::vector<std::string> names;
  for (const v1::LayoutChoice& choice : result.choices())
    names.push_back(Name(choice));
  return names;
}

// 64 GiB of state that tensor parallelism divides, and ZeRO what is not the
// weights' quarter; a GiB of activations per sequence, of which recomputation
// saves a quarter for nearly nothing or three quarters for a third more work.
// Compute is else the same whatever the layout; exchanges cost more the more
// ranks take part.
std::optional<Measured> Measure(const v1::LayoutChoice& choice) {
  Measured measured;
  const int64_t state = 64 * kGibi / choice.tensor_parallel_size();
  const int64_t sharded =
      choice.zero_stage() == 0 ? state : state / choice.data_parallel_size();
  const bool block = choice.recomputation() == v1::RECOMPUTATION_BLOCK;
  const bool selective = choice.recomputation() == v1::RECOMPUTATION_SELECTIVE;
  const int64_t saved = choice.micro_batch_size() * kGibi / 4 *
                        (block       ? 3
                         : selective ? 1
                                     : 0);
  measured.estimate.set_total_bytes(state / 4 + sharded * 3 / 4 +
                                    choice.micro_batch_size() * kGibi - saved);
  measured.estimate.set_recomputation_saved_bytes(saved);
  measured.estimate.set_flops_per_token(3);
  measured.estimate.set_recomputation_flops_per_token(block ? 1 : 0);
  measured.work.rank_flops = block ? 4e12 / 3 : 1e12;
  measured.work.bytes_again = selective ? 1'000'000'000 : 0;
  measured.work.accumulation = choice.accumulation_steps();
  if (choice.tensor_parallel_size() > 1) {
    v1::CollectivePlan& use = measured.work.collectives.emplace_back();
    use.set_kind(v1::CollectivePlan::KIND_ALL_REDUCE);
    use.set_group(v1::CollectivePlan::GROUP_TENSOR);
    use.set_phase("forward");
    use.set_count(100);
    use.set_bytes(1'000'000'000);
  }
  if (choice.data_parallel_size() > 1) {
    v1::CollectivePlan& use = measured.work.collectives.emplace_back();
    use.set_kind(v1::CollectivePlan::KIND_ALL_REDUCE);
    use.set_group(v1::CollectivePlan::GROUP_DATA);
    use.set_phase("step");
    use.set_count(10);
    use.set_bytes(int64_t{1'000'000'000} * (1 + choice.zero_stage()));
  }
  return measured;
}

v1::TuneRequest Request(int64_t limit) {
  v1::TuneRequest request;
  request.set_memory_limit_bytes(limit);
  v1::CostModel& cost = *request.mutable_cost();
  cost.set_flops_per_second(1e12);
  cost.set_tensor_bytes_per_second(1e10);
  cost.set_data_bytes_per_second(1e9);
  cost.set_collective_seconds(1e-4);
  cost.set_memory_bytes_per_second(1e12);
  return request;
}

TEST(TuneTest, EnumeratesWhatWorldAndBatchAllow) {
  const v1::TuneResult result =
      Tune({.world_size = 4, .train_batch_size = 4}, Request(0), Measure);
  // By TP: 1 has three stages of micro-batch 1; 2 of 1 and 2; 4 stage 0 of 1,
  // 2 and 4. Each with three recomputations.
  EXPECT_EQ(result.considered(), 3 * (3 + 3 * 2 + 3));
  EXPECT_EQ(result.choices_size(), result.considered());
  for (const v1::LayoutChoice& choice : result.choices()) {
    EXPECT_EQ(choice.tensor_parallel_size() * choice.data_parallel_size(), 4);
    EXPECT_EQ(choice.micro_batch_size() * choice.accumulation_steps() *
                  choice.data_parallel_size(),
              4);
  }
  // A batch of 6 cannot be spread over 4 data-parallel ranks.
  for (const std::string& name : Names(
           Tune({.world_size = 4, .train_batch_size = 6}, Request(0), Measure)))
    EXPECT_THAT(name, ::testing::Not(HasSubstr("dp4")));
}

TEST(TuneTest, TheFastestThatFitsIsFirst) {
  struct Case {
    int64_t limit;
    std::string first;
  };
  for (const Case& c : std::vector<Case>{
           // Tensor exchanges are cheap here, data-parallel ones dear; fewer
           // micro-steps start fewer of them.
           {0, "tp4 dp1 z0 m4 a1"},
           {19 * kGibi, "tp4 dp1 z0 m4 a1 selective"},
           {19 * kGibi - 1, "tp4 dp1 z0 m2 a2"},
           {17 * kGibi, "tp4 dp1 z0 m1 a4"},
           {17 * kGibi - 1, "tp4 dp1 z0 m1 a4 selective"},
           {16 * kGibi + kGibi / 2, "tp4 dp1 z0 m2 a2 block"}}) {
    const v1::TuneResult result = Tune({.world_size = 4, .train_batch_size = 4},
                                       Request(c.limit), Measure);
    ASSERT_FALSE(result.choices().empty()) << c.limit;
    EXPECT_EQ(Name(result.choices(0)), c.first) << c.limit;
    double before = 0;
    for (const v1::LayoutChoice& choice : result.choices()) {
      EXPECT_GE(choice.step_seconds(), before);
      before = choice.step_seconds();
      if (c.limit > 0) {
        EXPECT_LE(choice.estimate().total_bytes(), c.limit);
      }
    }
  }
}

TEST(TuneTest, PartsAddUpToTheStep) {
  const v1::TuneResult result =
      Tune({.world_size = 4, .train_batch_size = 8, .sequence_length = 100},
           Request(0), Measure);
  for (const v1::LayoutChoice& choice : result.choices()) {
    EXPECT_DOUBLE_EQ(choice.step_seconds(),
                     choice.compute_seconds() + choice.tensor_seconds() +
                         choice.data_seconds() + choice.update_seconds());
    EXPECT_DOUBLE_EQ(choice.tokens_per_second(), 800 / choice.step_seconds());
    // 100 exchanges in each micro-step; a ring sends 2 (n-1)/n.
    const double n = choice.tensor_parallel_size();
    EXPECT_DOUBLE_EQ(
        choice.tensor_seconds(),
        n == 1 ? 0
               : 1e-2 * static_cast<double>(choice.accumulation_steps()) +
                     2 * (n - 1) / n * 0.1);
  }
}

TEST(TuneTest, TheFirstThreeAreExplainedWithTheChangeOfTheConfig) {
  const v1::TuneResult result = Tune({.world_size = 4, .train_batch_size = 4},
                                     Request(40 * kGibi), Measure);
  ASSERT_GT(result.choices_size(), 3);
  EXPECT_THAT(result.choices(0).explanation(), HasSubstr("fastest"));
  EXPECT_THAT(result.choices(0).explanation(), HasSubstr("of 40.0 GiB"));
  EXPECT_THAT(result.choices(0).explanation(), HasSubstr("TP 1 at"));
  EXPECT_THAT(result.choices(1).explanation(), HasSubstr("slower"));
  EXPECT_FALSE(result.choices(2).explanation().empty());
  EXPECT_TRUE(result.choices(3).explanation().empty());
  const auto change =
      nlohmann::json::parse(result.choices(0).config_change_json());
  EXPECT_EQ(change["tensor_parallel"]["autotp_size"], 4);
  EXPECT_EQ(change["zero_optimization"]["stage"], 0);
  EXPECT_EQ(change["train_batch_size"], 4);
  EXPECT_EQ(change["train_micro_batch_size_per_gpu"].get<int>() *
                change["gradient_accumulation_steps"].get<int>(),
            4);
}

TEST(TuneTest, SaysWhatRecomputationSavesAndCosts) {
  const v1::TuneResult result = Tune({.world_size = 4, .train_batch_size = 4},
                                     Request(16 * kGibi + kGibi / 2), Measure);
  ASSERT_FALSE(result.choices().empty());
  EXPECT_THAT(result.choices(0).explanation(),
              HasSubstr("recomputation saves 1.5 GiB of activations for 33.3 % "
                        "more FLOPs"));
}

TEST(TuneTest, WhereNothingFitsTheSmallestIsNamed) {
  const v1::TuneResult result =
      Tune({.world_size = 4, .train_batch_size = 4}, Request(kGibi), Measure);
  EXPECT_THAT(Names(result), IsEmpty());
  // TP 4 holds a quarter of everything, at one sequence a time.
  EXPECT_EQ(Name(result.smallest()), "tp4 dp1 z0 m1 a4 block");
}

TEST(TuneTest, LayoutsThatCannotBeAreLeftOut) {
  const v1::TuneResult result =
      Tune({.world_size = 4, .train_batch_size = 4}, Request(0),
           [](const v1::LayoutChoice& choice) -> std::optional<Measured> {
             if (choice.tensor_parallel_size() == 4) return std::nullopt;
             return Measure(choice);
           });
  EXPECT_THAT(Names(result), Each(::testing::Not(HasSubstr("tp4"))));
  EXPECT_EQ(result.considered(), result.choices_size());
}

TEST(TuneTest, TensorParallelGroupsStayWithinAHost) {
  const v1::TuneResult result =
      Tune({.world_size = 256, .train_batch_size = 256}, Request(0), Measure);
  for (const v1::LayoutChoice& choice : result.choices())
    EXPECT_LE(choice.tensor_parallel_size(), kMostTensorRanks);
  EXPECT_THAT(result.note(), HasSubstr("64"));
}

TEST(CostModelTest, WishesReplaceDefaultsOneByOne) {
  v1::CostModel wish;
  wish.set_flops_per_second(7);
  const v1::CostModel cost = CostModelFor(wish, v1::DATA_TYPE_BFLOAT16);
  EXPECT_EQ(cost.flops_per_second(), 7);
  EXPECT_GT(cost.data_bytes_per_second(), 0);
  EXPECT_GT(CostModelFor({}, v1::DATA_TYPE_BFLOAT16).flops_per_second(),
            CostModelFor({}, v1::DATA_TYPE_FLOAT32).flops_per_second());
}

}  // namespace
}  // namespace autotp::planner
