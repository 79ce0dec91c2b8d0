#include "worker/zero/element_loop.h"

#include <algorithm>

#include "proto/support/check.h"
#include "worker/zero/rounding.h"
#include "worker/zero/stochastic_rounding.h"

namespace autotp::zero {
namespace {

constexpr int64_t kBlock = 1024;  // of 16-bit numbers; stays in the first cache

bool IsFloat(const UpdateRange& range) {
  return range.weights.is_float() &&
         std::all_of(range.states.begin(), range.states.end(),
                     [](const Numbers& state) {
                       return state.data == nullptr || state.is_float();
                     });
}

// One array of a block: its fp32 numbers, in place or widened.
class Staged {
 public:
  Staged(Numbers numbers, int64_t count, float* room)
      : numbers_(numbers),
        floats_(numbers.is_float() ? numbers.floats() : room) {
    if (numbers.data == nullptr) {
      floats_ = nullptr;
    } else if (!numbers.is_float()) {
      Widen(numbers.data, count, numbers.type, floats_);
    }
  }
  float* floats() const { return floats_; }
  void Store(uint64_t key, int64_t place, int64_t count) const {
    if (floats_ == nullptr || numbers_.is_float()) return;
    RoundStochastically(key, place, count, floats_, numbers_);
  }

 private:
  Numbers numbers_;
  float* floats_;
};

// Rounded as they are stored: `body` sees blocks of 16-bit numbers widened.
void ForEachStagedBlock(const UpdateContext& context, const UpdateRange& range,
                        Range part,
                        absl::FunctionRef<void(const Block&)> body) {
  const ParameterInfo& info = context.parameters[range.parameter];
  std::array<uint64_t, 1 + kMostStates> keys;
  for (int i = 0; i <= kMostStates; ++i)
    keys[i] = RoundingKey(context.seed, info.name, i, context.update.step());
  std::array<std::array<float, kBlock>, 1 + kMostStates> room;
  const auto run = [&](checkpoint::Run found) {
    for (int64_t at = 0; at < found.count; at += kBlock) {
      const int64_t count = std::min(kBlock, found.count - at);
      const int64_t place = found.global + at;
      Block block{found.local + at - range.local.begin, count, nullptr, {}};
      const Staged weights(range.weights.At(block.offset), count,
                           room[0].data());
      const std::array<Staged, kMostStates> states = {
          Staged(range.states[0].At(block.offset), count, room[1].data()),
          Staged(range.states[1].At(block.offset), count, room[2].data())};
      block.weights = weights.floats();
      for (int i = 0; i < kMostStates; ++i)
        block.states[i] = states[i].floats();
      body(block);
      weights.Store(keys[0], place, count);
      for (int i = 0; i < kMostStates; ++i)
        states[i].Store(keys[i + 1], place, count);
    }
    return absl::OkStatus();
  };
  const absl::Status status = checkpoint::ForEachRun(
      info.shape, info.slice,
      {range.local.begin + part.begin, range.local.begin + part.end}, run);
  AUTOTP_CHECK(status.ok(), status.ToString());
}

}  // namespace

void ForEachBlock(const UpdateContext& context, const UpdateRange& range,
                  Range part, bool publish,
                  absl::FunctionRef<void(const Block&)> body) {
  if (part.size() <= 0) return;
  if (IsFloat(range)) {
    Block block{
        part.begin, part.size(), range.weights.At(part.begin).floats(), {}};
    for (int i = 0; i < kMostStates; ++i)
      block.states[i] = range.states[i].At(part.begin).floats();
    body(block);
  } else {
    ForEachStagedBlock(context, range, part, body);
  }
  if (!publish || range.rounded.data == nullptr) return;
  Round(range.weights.At(part.begin).floats(), part.size(), range.rounded.type,
        range.rounded.At(part.begin).data);
}

void UpdateByElement(const UpdateContext& context, const UpdateRange& range) {
  const optimizer::Step step =
      context.update.For(context.parameters[range.parameter].treatment);
  const float* gradients =
      context.gradients.Reduced(*range.bucket, range.place);
  RunFor(context.parallel_for, range.place.size(), kUpdateGrain,
         [&](int64_t begin, int64_t end) {
           ForEachBlock(context, range, {begin, end}, /*publish=*/true,
                        [&](const Block& block) {
                          optimizer::UpdateElements(
                              step, block.count, gradients + block.offset,
                              block.weights, block.states.data());
                        });
         });
}

}  // namespace autotp::zero
