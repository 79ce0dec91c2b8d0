#include "worker/kernel/cpu/dropout.h"

#include <algorithm>
#include <cmath>

#include "worker/kernel/clones.h"

namespace autotp::kernel {
namespace {

constexpr int kRounds = 10;
constexpr int64_t kLanes = 16;  // counters side by side
constexpr int64_t kChunk = 4 * kLanes;

// One round: two products of 32 bits, their halves crossed and keyed.
inline void Round(uint32_t k0, uint32_t k1, uint32_t& c0, uint32_t& c1,
                  uint32_t& c2, uint32_t& c3) {
  const uint64_t a = uint64_t{0xD2511F53} * c0;
  const uint64_t b = uint64_t{0xCD9E8D57} * c2;
  const auto high_a = static_cast<uint32_t>(a >> 32);
  const auto high_b = static_cast<uint32_t>(b >> 32);
  c0 = high_b ^ c1 ^ k0;
  c2 = high_a ^ c3 ^ k1;
  c1 = static_cast<uint32_t>(b);
  c3 = static_cast<uint32_t>(a);
}

// Between rounds the key moves on, by the golden ratio and the root of three.
inline void Advance(uint32_t& k0, uint32_t& k1) {
  k0 += 0x9E3779B9;
  k1 += 0xBB67AE85;
}

}  // namespace

void Philox(uint32_t counter[4], uint64_t key) {
  auto k0 = static_cast<uint32_t>(key);
  auto k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < kRounds; ++round) {
    Round(k0, k1, counter[0], counter[1], counter[2], counter[3]);
    Advance(k0, k1);
  }
}

DropoutStream MakeDropoutStream(uint64_t seed, int64_t stream,
                                double probability) {
  // Seeds are small numbers, so are streams: one Philox makes a key of both.
  uint32_t mixed[4] = {static_cast<uint32_t>(stream),
                       static_cast<uint32_t>(stream >> 32), 0, 0};
  Philox(mixed, seed);
  DropoutStream made;
  made.key = uint64_t{mixed[1]} << 32 | mixed[0];
  made.threshold = static_cast<uint64_t>(std::llround(probability * 0x1p32));
  made.factor =
      probability < 1 ? static_cast<float>(1.0 / (1.0 - probability)) : 0.0f;
  return made;
}

AUTOTP_CLONES
void DropoutFactors(const DropoutStream& stream, int64_t sequence, int64_t row,
                    int64_t first, int64_t count, float* factors) {
  const auto low_row = static_cast<uint32_t>(row);
  const auto low_sequence = static_cast<uint32_t>(sequence);
  const auto high = static_cast<uint32_t>((row >> 32) << 16 | sequence >> 32);
  // A probability of one is the factor's: all bits pass, to be zero.
  const auto threshold =
      static_cast<uint32_t>(std::min<uint64_t>(stream.threshold, 0xFFFFFFFF));
  const float factor = stream.factor;
  const int64_t end = first + count;
  alignas(64) float chunk[kChunk];
  alignas(64) uint32_t words[4][kLanes];
  for (int64_t at = first / kChunk * kChunk; at < end; at += kChunk) {
    const auto block = static_cast<uint32_t>(at / 4);
    for (int64_t i = 0; i < kLanes; ++i) {
      words[0][i] = block + static_cast<uint32_t>(i);
      words[1][i] = low_row;
      words[2][i] = low_sequence;
      words[3][i] = high;
    }
    auto k0 = static_cast<uint32_t>(stream.key);
    auto k1 = static_cast<uint32_t>(stream.key >> 32);
    for (int round = 0; round < kRounds; ++round) {
#pragma omp simd
      for (int64_t i = 0; i < kLanes; ++i)
        Round(k0, k1, words[0][i], words[1][i], words[2][i], words[3][i]);
      Advance(k0, k1);
    }
    const uint32_t* word = words[0];
#pragma omp simd
    for (int64_t i = 0; i < kChunk; ++i)
      chunk[i] = word[i] >= threshold ? factor : 0.0f;
    const int64_t begin = std::max(first, at);
    std::copy(chunk + (begin - at), chunk + (std::min(end, at + kChunk) - at),
              factors + (begin - first));
  }
}

}  // namespace autotp::kernel
