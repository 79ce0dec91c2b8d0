#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/coordinator/config/config_testing.h"

namespace autotp::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Reading ReadSection(const std::string& section) {
  return Read(absl::StrCat("{\"train_batch_size\": 8,\n\"tensor_parallel\": ",
                           section, "}"),
              2);
}

Reading ReadSpec(const std::string& spec) {
  return ReadSection(absl::StrCat(
      R"({"autotp_size": 2, "partition_config": {"layer_specs": [)", spec,
      "]}}"));
}

TEST(TensorParallelSectionTest, SpecsWithDefaultsAndPlaces) {
  const Reading reading = ReadSpec(
      "\n{\"patterns\": [\"a\", \"b\"]},\n{\"patterns\": [\"c\"], "
      "\"partition_type\": \"Row\", \"gather_output\": true}");
  ASSERT_THAT(Found(reading.diagnostics), IsEmpty());
  const PartitionConfig& config =
      *reading.result.tensor_parallel.partition_config;
  EXPECT_TRUE(config.use_default_specs);
  EXPECT_FALSE(config.strict_mode);
  ASSERT_EQ(config.specs.size(), 2u);
  EXPECT_EQ(config.specs[0].type, PartitionType::kColumn);
  EXPECT_EQ(config.specs[0].partition_dim, 0);
  EXPECT_EQ(config.specs[0].patterns[1].text, "b");
  EXPECT_EQ(config.specs[0].patterns[1].place.line, 3);
  EXPECT_EQ(config.specs[0].patterns[1].place.column, 20);
  EXPECT_EQ(config.specs[0].patterns[1].place.json_pointer,
            "/tensor_parallel/partition_config/layer_specs/0/patterns/1");
  EXPECT_EQ(config.specs[1].type, PartitionType::kRow);
  EXPECT_EQ(config.specs[1].partition_dim, 1);
  EXPECT_TRUE(config.specs[1].gather_output);
}

TEST(TensorParallelSectionTest, SizesZeroAndOneMeanOff) {
  EXPECT_EQ(ReadSection("{}").result.tensor_parallel.size, 1);
  EXPECT_EQ(ReadSection(R"({"autotp_size": 0})").result.tensor_parallel.size,
            1);
  EXPECT_THAT(Found(ReadSection(R"({"autotp_size": -1})").diagnostics),
              ElementsAre("OUT_OF_RANGE /tensor_parallel/autotp_size 2:36"));
}

TEST(TensorParallelSectionTest, InnerSizeMustAgree) {
  EXPECT_THAT(Found(ReadSection(R"({"autotp_size": 2, "tp": {"tp_size": 1}})")
                        .diagnostics),
              IsEmpty());
  EXPECT_THAT(
      Found(ReadSection(
                R"({"autotp_size": 2, "tensor_parallel": {"tp_size": 4}})")
                .diagnostics),
      ElementsAre("TENSOR_PARALLEL_SIZE_CONFLICT "
                  "/tensor_parallel/tensor_parallel/tp_size 2:70"));
}

TEST(TensorParallelSectionTest, EmptyPartitionConfigIsAbsent) {
  EXPECT_FALSE(ReadSection(R"({"partition_config": {}})")
                   .result.tensor_parallel.partition_config.has_value());
  EXPECT_TRUE(ReadSection(R"({"partition_config": {"layer_specs": []}})")
                  .result.tensor_parallel.partition_config.has_value());
}

// Keys that DeepSpeed stores and never reads are answered by a note, and so is
// a size that autotp_size overwrites.
TEST(TensorParallelSectionTest, KeysOfPartitionConfigThatNothingReads) {
  const Reading reading = ReadSection(
      R"({"autotp_size": 2, "partition_config": {"tp_size": 4,
          "embedding_partition_dim": 0, "lm_head_patterns": ["head"],
          "layer_specs": [{"patterns": ["x"]}]}})");
  EXPECT_THAT(Found(reading.diagnostics), IsEmpty());
  EXPECT_EQ(reading.result.tensor_parallel.size, 2);
  for (const char* key :
       {"tp_size", "embedding_partition_dim", "lm_head_patterns"}) {
    EXPECT_TRUE(std::any_of(
        reading.diagnostics.all().begin(), reading.diagnostics.all().end(),
        [key](const v1::Diagnostic& one) {
          return one.reason() == "KEY_WITHOUT_EFFECT" &&
                 one.json_pointer() ==
                     absl::StrCat("/tensor_parallel/partition_config/", key);
        }))
        << key;
  }
  EXPECT_THAT(Found(ReadSection(R"({"partition_config": {"layer_spec": []}})")
                        .diagnostics),
              ElementsAre(HasSubstr(
                  "UNKNOWN_KEY /tensor_parallel/partition_config/layer_spec")));
}

TEST(TensorParallelSectionTest, TypesInAnyCase) {
  const std::pair<const char*, PartitionType> rows[] = {
      {"column", PartitionType::kColumn}, {"COLUMN", PartitionType::kColumn},
      {"Row", PartitionType::kRow},       {"rOW", PartitionType::kRow},
      {"skip", PartitionType::kSkip},     {"SKIP", PartitionType::kSkip}};
  for (const auto& [name, type] : rows) {
    const Reading reading = ReadSpec(absl::StrCat(
        R"({"patterns": ["x"], "partition_type": ")", name, "\"}"));
    const LayerSpec& spec =
        reading.result.tensor_parallel.partition_config->specs.at(0);
    EXPECT_EQ(spec.type, type) << name;
    EXPECT_EQ(spec.partition_dim, type == PartitionType::kColumn ? 0 : 1);
  }
}

TEST(TensorParallelSectionTest, SpecErrors) {
  struct Case {
    std::string spec;
    std::string found;
  };
  for (const Case& c : std::vector<Case>{
           {"{}", "SPEC_WITHOUT_PATTERNS"},
           {R"({"patterns": "x"})", "WRONG_TYPE"},
           {R"({"patterns": [1]})", "WRONG_TYPE"},
           {R"({"patterns": ["x"], "partition_type": "colum"})",
            "UNKNOWN_PARTITION_TYPE"},
           {R"({"patterns": ["x"], "shape": [2, [1, 1]]})", "WRONG_TYPE"},
           {R"({"patterns": ["x"], "shape": [[1, 1], 2]})", ""},
           {R"({"patterns": ["x"], "shape": [3, -1]})", ""},
           {R"({"patterns": ["x"], "shape": [0, -1]})", "WRONG_TYPE"},
           {R"({"patterns": ["x"], "shape": [[], -1]})", "WRONG_TYPE"},
           {R"({"patterns": ["x"], "shape": [[4, [2]], -1]})", "WRONG_TYPE"},
           {R"({"patterns": ["x"], "shape": [[4, 0], -1]})", "WRONG_TYPE"},
           {R"({"patterns": ["x"], "shape": [3, -1], "partition_dim": 2})",
            "PARTITION_DIM_OUT_OF_RANGE"},
           {R"({"patterns": ["x"], "shape": [3.0, -1]})", "WRONG_TYPE"},
           {R"({"patterns": ["x"], "shape": 3})", "WRONG_TYPE"},
           {R"({"patterns": ["x"], "partition_type": "row", "shape": [8]})",
            "PARTITION_DIM_OUT_OF_RANGE"},
           {R"({"patterns": ["x"], "partition_type": "row",
               "shape": [-1, [8, 4, 4]]})",
            ""},
           {R"({"patterns": ["x"], "partition_type": "skip",
               "shape": [3, -1]})",
            ""}}) {
    const std::vector<std::string> found = Found(ReadSpec(c.spec).diagnostics);
    if (c.found.empty()) {
      EXPECT_THAT(found, IsEmpty()) << c.spec;
    } else {
      ASSERT_EQ(found.size(), 1u) << c.spec;
      EXPECT_THAT(found[0], HasSubstr(c.found)) << c.spec;
    }
  }
}

}  // namespace
}  // namespace autotp::config
