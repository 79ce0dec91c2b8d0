#include "worker/kernel/cpu/dropout.h"

#include <cmath>
#include <tuple>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace autotp::kernel {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

std::vector<float> Draw(const DropoutStream& stream, int64_t sequence,
                        int64_t row, int64_t first, int64_t count) {
  std::vector<float> factors(count);
  DropoutFactors(stream, sequence, row, first, count, factors.data());
  return factors;
}

// The known answers of the authors' own library.
TEST(Philox, GivesTheKnownAnswers) {
  uint32_t zero[4] = {0, 0, 0, 0};
  Philox(zero, 0);
  EXPECT_THAT(zero,
              ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  uint32_t digits[4] = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};
  Philox(digits, 0x299f31d0a4093822);
  EXPECT_THAT(digits,
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(Dropout, DropsAtItsRateAndKeepsTheMean) {
  constexpr int64_t kRows = 500;
  constexpr int64_t kColumns = 1000;
  for (const double probability : {0.0, 0.1, 0.5, 0.9}) {
    const DropoutStream stream = MakeDropoutStream(3, 1, probability);
    double dropped = 0;
    double sum = 0;
    for (int64_t row = 0; row < kRows; ++row) {
      for (const float factor : Draw(stream, 0, row, 0, kColumns)) {
        dropped += factor == 0 ? 1 : 0;
        sum += factor;
      }
    }
    constexpr double kCount = kRows * kColumns;
    // Five standard deviations of a binomial distribution.
    const double bound =
        5 * std::sqrt(probability * (1 - probability) / kCount);
    EXPECT_NEAR(dropped / kCount, probability, bound + 1e-12);
    EXPECT_NEAR(sum / kCount, 1, bound / (1 - probability) + 1e-6);
  }
  EXPECT_THAT(Draw(MakeDropoutStream(3, 1, 1.0), 0, 0, 0, 100), Each(0.0f));
}

// Masks that differ in one of seed, stream, sequence, row or columns agree as
// often as two coins do.
TEST(Dropout, MasksOfDifferentPlacesAreIndependent) {
  constexpr int64_t kColumns = 20000;
  const auto mask = [](uint64_t seed, int64_t stream, int64_t sequence,
                       int64_t row, int64_t first) {
    return Draw(MakeDropoutStream(seed, stream, 0.5), sequence, row, first,
                kColumns);
  };
  const std::vector<float> one = mask(1, 1, 1, 1, 0);
  for (const auto& [seed, stream, sequence, row, first] :
       std::vector<std::tuple<uint64_t, int64_t, int64_t, int64_t, int64_t>>{
           {2, 1, 1, 1, 0},
           {1, 2, 1, 1, 0},
           {1, 1, 2, 1, 0},
           {1, 1, 1, 2, 0},
           {1, 1, int64_t{1} << 40, 1, 0},
           {1, 1, 1, int64_t{1} << 40, 0},
           {1, 1, 1, 1, 1},
           {1, 1, 1, 1, 16},
           {1, 1, 1, 1, 64},
           {uint64_t{1} << 40, 1, 1, 1, 0}}) {
    const std::vector<float> other = mask(seed, stream, sequence, row, first);
    double same = 0;
    for (int64_t i = 0; i < kColumns; ++i) same += one[i] == other[i] ? 1 : 0;
    EXPECT_NEAR(same / kColumns, 0.5, 5 * 0.5 / std::sqrt(kColumns))
        << seed << " " << stream << " " << sequence << " " << row << " "
        << first;
  }
}

TEST(Dropout, APartOfARowIsWhatTheRowHasThere) {
  const DropoutStream stream = MakeDropoutStream(9, 4, 0.3);
  const std::vector<float> row = Draw(stream, 2, 5, 0, 300);
  for (int64_t first : {0, 1, 15, 63, 64, 100}) {
    for (int64_t count : {0, 1, 17, 64, 130, 200}) {
      const std::vector<float> part = Draw(stream, 2, 5, first, count);
      EXPECT_EQ(part, std::vector<float>(row.begin() + first,
                                         row.begin() + first + count));
    }
  }
}

}  // namespace
}  // namespace autotp::kernel
