#include "proto/support/muon_rounds.h"

#include <algorithm>
#include <numeric>

namespace autotp::zero {
namespace {

// Of all slots of a round together, unless one matrix alone is larger.
constexpr int64_t kRoundElements = 64 << 20;

}  // namespace

std::vector<MuonRound> MuonRounds(const std::vector<int64_t>& elements,
                                  int tensor_size, int data_size) {
  std::vector<int> order(elements.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return elements[a] > elements[b]; });
  std::vector<MuonRound> rounds;
  for (const int parameter : order) {
    const int64_t size = elements[parameter];
    if (size == 0) break;
    const bool full = rounds.empty() ||
                      static_cast<int>(rounds.back().parameters.size()) ==
                          rounds.back().tensor_ways * rounds.back().data_ways;
    if (full) {
      MuonRound& round = rounds.emplace_back();
      round.slot = size;
      const auto fits = [size](int64_t ways) {
        return ways * size <= kRoundElements;
      };
      if (fits(data_size)) round.data_ways = data_size;
      if (fits(int64_t{round.data_ways} * tensor_size))
        round.tensor_ways = tensor_size;
    }
    rounds.back().parameters.push_back(parameter);
  }
  return rounds;
}

}  // namespace autotp::zero
