#include "worker/checkpoint/random_init.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "worker/checkpoint/slice.h"
#include "xxhash.h"

namespace autotp::checkpoint {
namespace {

using Block = std::array<uint32_t, 4>;

// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2,
// 3"): block `counter` of the stream `key`.
Block Philox(uint64_t key, uint64_t counter) {
  Block x = {static_cast<uint32_t>(counter),
             static_cast<uint32_t>(counter >> 32), 0, 0};
  uint32_t key0 = static_cast<uint32_t>(key);
  uint32_t key1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53} * x[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57} * x[2];
    x = {static_cast<uint32_t>(product1 >> 32) ^ x[1] ^ key0,
         static_cast<uint32_t>(product1),
         static_cast<uint32_t>(product0 >> 32) ^ x[3] ^ key1,
         static_cast<uint32_t>(product0)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return x;
}

// Two uniform numbers become two independent normal ones (Box-Muller).
void Normals(uint32_t a, uint32_t b, float* out) {
  const float uniform = (static_cast<float>(a) + 0.5f) * 0x1p-32f;  // (0, 1]
  const float radius = std::sqrt(-2.0f * std::log(std::min(uniform, 1.0f)));
  const float angle =
      static_cast<float>(b) * (0x1p-31f * std::numbers::pi_v<float>);
  out[0] = radius * std::cos(angle);
  out[1] = radius * std::sin(angle);
}

void Draw(uint64_t key, int64_t first, int64_t count, float* out) {
  float four[4];
  for (int64_t i = 0; i < count;) {
    const int64_t place = first + i;
    const Block block = Philox(key, static_cast<uint64_t>(place / 4));
    Normals(block[0], block[1], four);
    Normals(block[2], block[3], four + 2);
    for (int64_t lane = place % 4; lane < 4 && i < count; ++lane, ++i) {
      out[i] = four[lane];
    }
  }
}

uint64_t KeyOf(uint64_t seed, absl::string_view name) {
  return XXH3_64bits_withSeed(name.data(), name.size(), seed);
}

}  // namespace

void DrawNormal(uint64_t seed, absl::string_view name, int64_t first,
                int64_t count, float* out) {
  Draw(KeyOf(seed, name), first, count, out);
}

absl::Status DrawParameter(const v1::Parameter& parameter, uint64_t seed,
                           float* out) {
  const Shape shape = ShapeOf(parameter);
  const Slice slice = SliceOf(parameter);
  AUTOTP_RETURN_IF_ERROR(Annotate(CheckSlice(shape, slice), parameter.name()));
  const int64_t count = ElementCount(shape, slice);
  const v1::Initialization& how = parameter.initialization();
  switch (how.kind()) {
    case v1::Initialization::KIND_ONES:
      std::fill_n(out, count, 1.0f);
      return absl::OkStatus();
    case v1::Initialization::KIND_ZEROS:
      std::fill_n(out, count, 0.0f);
      return absl::OkStatus();
    case v1::Initialization::KIND_NORMAL:
      break;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat(parameter.name(), ": no way of initialization given"));
  }
  const uint64_t key = KeyOf(seed, parameter.name());
  const float deviation = static_cast<float>(how.standard_deviation());
  const int64_t row =
      shape.empty() || shape[0] == 0 ? 1 : ElementCount(shape) / shape[0];
  const Range zero = {(how.zero_row() - 1) * row, how.zero_row() * row};
  return ForEachRun(shape, slice, {0, count}, [&](Run run) {
    float* values = out + run.local;
    Draw(key, run.global, run.count, values);
    for (int64_t i = 0; i < run.count; ++i) values[i] *= deviation;
    const int64_t begin = std::max(zero.begin, run.global);
    const int64_t end = std::min(zero.end, run.global + run.count);
    if (how.zero_row() > 0 && begin < end)
      std::fill_n(values + begin - run.global, end - begin, 0.0f);
    return absl::OkStatus();
  });
}

}  // namespace autotp::checkpoint
