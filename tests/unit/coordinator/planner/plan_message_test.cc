// Findings about outcomes that no family of ours has.
#include "coordinator/planner/plan_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/partition/partition.h"
#include "coordinator/program/builder.h"

namespace autotp::planner {
namespace {

using program::ValueId;

// An operation that no row of the table knows, between up and down. (A copy is
// one: it comes with the cuts, and never before them.)
program::Program MakeUnknown() {
  program::Builder b("unknown", 1, 4);
  ValueId x = b.Embedding("embed", b.input_ids(), {.rows = 16, .width = 8});
  x = b.Linear("up", x, {.out = 12});
  x = b.ApplyOne(program::Operation::kCopy, {x}, {});
  x = b.Linear("down", x, {.out = 8});
  const ValueId logits = b.Linear("head", x, {.out = 16});
  auto made = std::move(b).Finish(b.CrossEntropy(logits, b.labels()));
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

TEST(PlanMessageTest, AMissingPlacementRuleIsToldWithTheClassThatItCost) {
  const program::Program whole = MakeUnknown();
  const auto partitioned =
      partition::Partition(whole, {.tensor_parallel_size = 2});
  ASSERT_TRUE(partitioned.ok()) << partitioned.status();
  EXPECT_EQ(partitioned->parameters.at("up.weight").dim, -1);
  EXPECT_EQ(partitioned->parameters.at("up.weight").reason,
            "copy has no placement rule, so nothing around it is cut");
  EXPECT_EQ(partitioned->parameters.at("head.weight").dim, 0);

  plan::RuleSet rules;
  rules.source = v1::RULE_SOURCE_HEURISTICS;
  std::map<std::string, plan::Placement> placements;
  for (const program::Parameter& parameter : whole.parameters)
    placements[parameter.name];
  v1::TrainingConfig training;
  training.set_accumulation_steps(1);
  const PlanInput input{whole,    *partitioned, rules, placements,
                        training, "unknown",    1};
  config::Diagnostics diagnostics;
  ReportOutcome(input, PlanMessage(input), &diagnostics);
  std::vector<std::string> messages;
  for (const v1::Diagnostic& one : diagnostics.all())
    if (one.reason() == "PLACEMENT_RULE_MISSING")
      messages.push_back(one.message());
  EXPECT_THAT(messages,
              ::testing::ElementsAre(
                  "operation copy has no placement rule: up.weight (12 columns "
                  "of up.weight, down.weight) stays whole"));
}

}  // namespace
}  // namespace autotp::planner
