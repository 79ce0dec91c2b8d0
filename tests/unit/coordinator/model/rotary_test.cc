#include "coordinator/model/huggingface/rotary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace autotp::model {
namespace {

using ::testing::ElementsAre;

// The expected numbers are torch's, from the formulas of Transformers.
TEST(RotaryTest, DefaultAndLinear) {
  RotaryConfig rotary;
  EXPECT_THAT(
      InverseFrequencies(rotary, 16),
      ElementsAre(0x1p+0, 0x1.43d136p-2, 0x1.99999ap-4, 0x1.030dc6p-5,
                  0x1.47ae14p-7, 0x1.9e7c7p-9, 0x1.0624dep-10, 0x1.4b96cp-12));
  rotary.type = RotaryConfig::Type::kLinear;
  rotary.factor = 4;
  EXPECT_THAT(InverseFrequencies(rotary, 4), ElementsAre(0.25, 0x1.47ae14p-9));
}

TEST(RotaryTest, Llama3KeepsBlendsAndDivides) {
  RotaryConfig rotary;
  rotary.type = RotaryConfig::Type::kLlama3;
  rotary.factor = 8;
  rotary.original_positions = 32;
  EXPECT_THAT(InverseFrequencies(rotary, 16),
              ElementsAre(0x1p+0, 0x1.888f8p-4, 0x1.99999ap-7, 0x1.030dc6p-8,
                          0x1.47ae14p-10, 0x1.9e7c7p-12, 0x1.0624dep-13,
                          0x1.4b96cp-15));
  rotary.theta = 500000;
  rotary.factor = 32;
  rotary.original_positions = 8192;
  const std::vector<double> large = InverseFrequencies(rotary, 64);
  EXPECT_EQ(large[14], 0x1.a4ee4p-9);
  EXPECT_EQ(large[15], 0x1.524f36p-10);
  EXPECT_EQ(large[16], 0x1.c26c4p-12);
  EXPECT_EQ(large[17], 0x1.9731eep-14);
  EXPECT_EQ(large[18], 0x1.46831ap-16);
}

RotaryConfig Read(const nlohmann::json& root) {
  ConfigReader config({"config.json", root.dump(), root});
  const RotaryConfig rotary = ReadRotary(config, 10000, 2048);
  EXPECT_TRUE(config.status().ok()) << config.status();
  return rotary;
}

TEST(RotaryTest, ReadsBothSpellings) {
  EXPECT_EQ(Read(nlohmann::json::object()).theta, 10000);
  EXPECT_EQ(Read({{"rope_theta", 5e5}, {"rope_scaling", nullptr}}).theta, 5e5);
  EXPECT_EQ(Read({{"rope_parameters", {{"rope_theta", 1e6}}}}).theta, 1e6);
  const nlohmann::json scaling = {{"rope_type", "llama3"},
                                  {"factor", 8},
                                  {"low_freq_factor", 1},
                                  {"high_freq_factor", 4}};
  const RotaryConfig old =
      Read({{"rope_theta", 5e5}, {"rope_scaling", scaling}});
  EXPECT_EQ(old.type, RotaryConfig::Type::kLlama3);
  EXPECT_EQ(old.theta, 5e5);
  EXPECT_EQ(old.original_positions, 2048);
  nlohmann::json parameters = scaling;
  parameters["rope_theta"] = 5e5;
  parameters["original_max_position_embeddings"] = 512;
  const RotaryConfig now = Read({{"rope_parameters", parameters}});
  EXPECT_EQ(now.type, RotaryConfig::Type::kLlama3);
  EXPECT_EQ(now.theta, 5e5);
  EXPECT_EQ(now.original_positions, 512);
}

}  // namespace
}  // namespace autotp::model
