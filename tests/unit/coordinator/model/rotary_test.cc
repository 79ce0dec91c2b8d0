#include "coordinator/model/huggingface/rotary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace autotp::model {
namespace {

using ::testing::ElementsAre;

// The expected numbers are torch's, from the formulas of Transformers.
TEST(RotaryTest, DefaultAndLinear) {
  RotaryConfig rotary = {.width = 16};
  EXPECT_THAT(
      InverseFrequencies(rotary, 8),
      ElementsAre(0x1p+0, 0x1.43d136p-2, 0x1.99999ap-4, 0x1.030dc6p-5,
                  0x1.47ae14p-7, 0x1.9e7c7p-9, 0x1.0624dep-10, 0x1.4b96cp-12));
  rotary.type = RotaryConfig::Type::kLinear;
  rotary.factor = 4;
  rotary.width = 4;
  EXPECT_THAT(InverseFrequencies(rotary, 8), ElementsAre(0.25, 0x1.47ae14p-9));
}

TEST(RotaryTest, Llama3KeepsBlendsAndDivides) {
  RotaryConfig rotary = {.type = RotaryConfig::Type::kLlama3, .width = 16};
  rotary.factor = 8;
  rotary.original_positions = 32;
  EXPECT_THAT(InverseFrequencies(rotary, 8),
              ElementsAre(0x1p+0, 0x1.888f8p-4, 0x1.99999ap-7, 0x1.030dc6p-8,
                          0x1.47ae14p-10, 0x1.9e7c7p-12, 0x1.0624dep-13,
                          0x1.4b96cp-15));
  rotary.theta = 500000;
  rotary.factor = 32;
  rotary.original_positions = 8192;
  rotary.width = 64;
  const std::vector<double> large = InverseFrequencies(rotary, 8);
  EXPECT_EQ(large[14], 0x1.a4ee4p-9);
  EXPECT_EQ(large[15], 0x1.524f36p-10);
  EXPECT_EQ(large[16], 0x1.c26c4p-12);
  EXPECT_EQ(large[17], 0x1.9731eep-14);
  EXPECT_EQ(large[18], 0x1.46831ap-16);
}

ConfigReader Reader(const nlohmann::json& root) {
  return ConfigReader({"config.json", root.dump(), root});
}

RotaryConfig Read(const nlohmann::json& root) {
  ConfigReader config = Reader(root);
  const RotaryConfig rotary = ReadRotary(config, {}, 16, 2048);
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

// Within one unit in the last place: Transformers' power may round otherwise.
void ExpectFrequencies(const std::vector<double>& got,
                       const std::vector<double>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i)
    EXPECT_NEAR(got[i] / want[i], 1, 2e-7) << "pair " << i;
}

TEST(RotaryTest, DynamicGrowsTheBaseOfLongSequences) {
  ConfigReader config = Reader(
      {{"rope_parameters",
        {{"rope_type", "dynamic"}, {"rope_theta", 10000}, {"factor", 2}}}});
  const RotaryConfig rotary = ReadRotary(config, {}, 16, 64);
  EXPECT_TRUE(config.status().ok()) << config.status();
  ExpectFrequencies(InverseFrequencies(rotary, 64),
                    InverseFrequencies({.width = 16}, 64));
  ExpectFrequencies(
      InverseFrequencies(rotary, 128),
      {0x1p+0, 0x1.14c882p-2, 0x1.2b40f6p-4, 0x1.438c6ap-6, 0x1.5dd0ccp-8,
       0x1.7a371ap-10, 0x1.98eba2p-12, 0x1.ba1e54p-14});
}

TEST(RotaryTest, YarnKeepsFastPairsAndDividesSlowOnes) {
  ConfigReader config = Reader({{"rope_theta", 10000},
                                {"rope_scaling",
                                 {{"type", "yarn"},
                                  {"factor", 4},
                                  {"original_max_position_embeddings", 512}}}});
  const RotaryConfig rotary = ReadRotary(config, {}, 16, 2048);
  EXPECT_TRUE(config.status().ok()) << config.status();
  EXPECT_DOUBLE_EQ(rotary.table_scale, 1.138629436111989);
  ExpectFrequencies(
      InverseFrequencies(rotary, 8),
      {0x1p+0, 0x1.0719fcp-2, 0x1p-4, 0x1.c5581ap-7, 0x1.47ae14p-9,
       0x1.9e7c7p-11, 0x1.0624dep-12, 0x1.4b96cp-14});

  config = Reader({{"rope_parameters",
                    {{"rope_type", "yarn"},
                     {"rope_theta", 10000},
                     {"factor", 40},
                     {"original_max_position_embeddings", 4096},
                     {"mscale", 0.707},
                     {"mscale_all_dim", 0.5},
                     {"beta_fast", 16},
                     {"truncate", false}}}});
  const RotaryConfig magnified = ReadRotary(config, {}, 16, 2048);
  EXPECT_DOUBLE_EQ(magnified.table_scale, 1.064468903941252);
  ExpectFrequencies(
      InverseFrequencies(magnified, 8),
      {0x1p+0, 0x1.43d136p-2, 0x1.99999ap-4, 0x1.030dc6p-5, 0x1.c06f6cp-8,
       0x1.cf39e8p-11, 0x1.a36e2ep-16, 0x1.094566p-17});
}

TEST(RotaryTest, LongRopeHasFactorsForShortAndLongSequences) {
  nlohmann::json section = {{"type", "su"},
                            {"short_factor", nlohmann::json::array()},
                            {"long_factor", nlohmann::json::array()}};
  for (int i = 0; i < 8; ++i) {
    section["short_factor"].push_back(1.0 + 0.1 * i);
    section["long_factor"].push_back(1.5 + 0.7 * i);
  }
  ConfigReader config = Reader(
      {{"rope_scaling", section}, {"original_max_position_embeddings", 512}});
  const RotaryConfig rotary = ReadRotary(config, {}, 16, 2048);
  EXPECT_TRUE(config.status().ok()) << config.status();
  EXPECT_DOUBLE_EQ(rotary.table_scale, 1.1055415967851334);
  ExpectFrequencies(
      InverseFrequencies(rotary, 512),
      {0x1p+0, 0x1.266118p-2, 0x1.555556p-4, 0x1.8e8b58p-6, 0x1.d41d42p-8,
       0x1.1452f6p-9, 0x1.47ae14p-11, 0x1.861ac2p-13});
  ExpectFrequencies(
      InverseFrequencies(rotary, 513),
      {0x1.555556p-1, 0x1.266118p-3, 0x1.1a7b96p-5, 0x1.1fd66ap-7,
       0x1.30d18ep-9, 0x1.4b96cp-11, 0x1.6febe2p-13, 0x1.9e7c7p-15});

  section["long_factor"].erase(0);
  config = Reader({{"rope_scaling", section}});
  ReadRotary(config, {}, 16, 2048);
  EXPECT_FALSE(config.status().ok());
}

TEST(RotaryTest, APartOfAHeadIsForFamiliesThatTurnParts) {
  const nlohmann::json root = {{"partial_rotary_factor", 0.5}};
  ConfigReader config = Reader(root);
  EXPECT_EQ(ReadRotary(config, {.partial = true}, 16, 64).width, 8);
  EXPECT_TRUE(config.status().ok()) << config.status();
  ReadRotary(config, {}, 16, 64);
  EXPECT_FALSE(config.status().ok());
  config = Reader({{"rotary_pct", 0.3}});
  ReadRotary(config, {.share_key = "rotary_pct", .partial = true}, 10, 64);
  EXPECT_FALSE(config.status().ok());  // three channels
}

}  // namespace
}  // namespace autotp::model
