#include "coordinator/model/huggingface/alibi.h"

#include <bit>
#include <cmath>

namespace autotp::model {
namespace {

float BaseFor(int64_t power_of_two) {
  const double eighths = 8.0 / static_cast<double>(power_of_two);
  return static_cast<float>(std::pow(2.0, -eighths));
}

double PowerOf(float base, int64_t exponent) {
  return static_cast<float>(
      std::pow(static_cast<double>(base), static_cast<double>(exponent)));
}

}  // namespace

std::vector<double> AlibiSlopes(int64_t heads) {
  const auto below =
      static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(heads)));
  std::vector<double> slopes;
  for (int64_t i = 1; i <= below; ++i)
    slopes.push_back(PowerOf(BaseFor(below), i));
  for (int64_t i = 1; static_cast<int64_t>(slopes.size()) < heads; i += 2)
    slopes.push_back(PowerOf(BaseFor(2 * below), i));
  return slopes;
}

}  // namespace autotp::model
