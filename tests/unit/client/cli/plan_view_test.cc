// Goal: `plan --output json` has the promised keys; the text folds layers.
// Method: a hand-made answer of two identical layers.
#include "client/cli/plan_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace autotp::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

v1::ValidateJobResponse TwoLayers() {
  v1::ValidateJobResponse response;
  response.set_valid(true);
  response.set_effective_config_json("{\"train_batch_size\": 8}");
  response.mutable_config()->set_train_batch_size(8);
  v1::Plan& plan = *response.mutable_plan();
  plan.set_tensor_parallel_size(2);
  plan.set_rule_source(v1::RULE_SOURCE_TP_PLAN);
  for (int layer = 0; layer < 2; ++layer) {
    v1::ParameterPlan& parameter = *plan.add_parameters();
    parameter.set_name(
        absl::StrCat("model.layers.", layer, ".mlp.up_proj.weight"));
    parameter.set_partition(v1::ParameterPlan::PARTITION_COLUMN);
    for (int64_t n : {72, 64}) parameter.add_shape(n);
    for (int rank = 0; rank < 2; ++rank) {
      v1::RankSlice& slice = *parameter.add_ranks();
      slice.add_shape(rank == 0 ? 37 : 35);
      slice.add_shape(64);
    }
  }
  return response;
}

TEST(PlanJsonTest, HasThePromisedKeys) {
  const auto json = PlanJson(TwoLayers());
  for (const char* key :
       {"valid", "diagnostics", "train_batch_size", "micro_batch_size",
        "gradient_accumulation_steps", "tensor_parallel_size",
        "data_parallel_size", "rule_source", "digest", "classes", "collectives",
        "parameters"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["rule_source"], "tp_plan");
  EXPECT_EQ(json["parameters"][1]["local_shapes"],
            nlohmann::json::parse("[[37, 64], [35, 64]]"));
  EXPECT_EQ(json["parameters"][0]["partition"], "column");
}

TEST(PlanTextTest, IdenticalLayersAreOneRow) {
  const std::string text = PlanText(TwoLayers(), {});
  EXPECT_THAT(text, HasSubstr("model.layers.{0..1}.mlp.up_proj.weight"));
  EXPECT_THAT(text, HasSubstr("[37+35, 64]"));
  EXPECT_THAT(text, Not(HasSubstr("model.layers.0")));
}

TEST(PlanTextTest, ColoursAreWishedForAndTakeNothingAway) {
  const std::string plain = PlanText(TwoLayers(), {.colour = false});
  std::string coloured = PlanText(TwoLayers(), {.colour = true});
  EXPECT_THAT(plain, Not(HasSubstr("\x1b")));
  EXPECT_THAT(coloured, HasSubstr("\x1b"));
  for (const char* code : {"\x1b[0m", "\x1b[1m", "\x1b[2m"})
    coloured = absl::StrReplaceAll(coloured, {{code, ""}});
  EXPECT_EQ(coloured, plain);
}

}  // namespace
}  // namespace autotp::cli
