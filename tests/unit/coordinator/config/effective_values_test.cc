#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/unit/coordinator/config/config_testing.h"

namespace autotp::config {
namespace {

TEST(EffectiveValuesTest, EveryValueHasItsOrigin) {
  const Reading reading = Read(
      "{\n"
      "  \"train_micro_batch_size_per_gpu\": 2,\n"
      "  \"gradient_clipping\": \"auto\",\n"
      "  \"bfloat16\": {\"enabled\": true},\n"
      "  \"zero_optimization\": true,\n"
      "  \"optimizer\": {\"type\": \"Adam\", \"params\": {\n"
      "    \"lr\": 1e-3}},\n"
      "  \"scheduler\": {\"type\": \"WarmupLR\",\n"
      "    \"params\": {\"warmup_num_steps\": \"1e2\"}}\n"
      "}",
      4);
  ASSERT_TRUE(reading.result.training.has_value());
  std::map<std::string, std::string> origins;
  for (const v1::ConfigValue& value : reading.result.effective_values) {
    origins[value.json_pointer()] =
        absl::StrCat(v1::ConfigValue::Origin_Name(value.origin()), " ",
                     value.line(), " ", value.value(), " ", value.detail());
  }
  const std::pair<const char*, const char*> expected[] = {
      {"/train_batch_size",
       "ORIGIN_DERIVED 0 8 the other batch sizes and the data-parallel size"},
      {"/train_micro_batch_size_per_gpu", "ORIGIN_FILE 2 2 "},
      {"/gradient_clipping", "ORIGIN_AUTO 3 1.0 the default"},
      {"/bf16/enabled", "ORIGIN_FILE 4 true "},
      {"/zero_optimization/stage", "ORIGIN_FILE 5 1 written true"},
      {"/zero_optimization/reduce_bucket_size", "ORIGIN_DEFAULT 0 500000000 "},
      {"/optimizer/type", "ORIGIN_FILE 6 \"AdamW\" written \"Adam\""},
      {"/optimizer/params/lr", "ORIGIN_FILE 7 0.001 "},
      {"/optimizer/params/adam_w_mode", "ORIGIN_DERIVED 0 true type Adam"},
      {"/scheduler/params/warmup_max_lr",
       "ORIGIN_DERIVED 0 0.001 the optimizer's lr"},
      {"/scheduler/params/warmup_num_steps",
       "ORIGIN_FILE 9 100 written \"1e2\""},
      {"/tensor_parallel/autotp_size", "ORIGIN_DEFAULT 0 1 "}};
  for (const auto& [pointer, origin] : expected) {
    EXPECT_EQ(origins[pointer], origin) << pointer;
  }
}

}  // namespace
}  // namespace autotp::config
