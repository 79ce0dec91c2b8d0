// element_loop.h -- runs a loop over fp32 numbers on a range whatever its
// weights and states are stored in.
//
// Where all is fp32, the loop works in place. 16-bit numbers are widened a
// block at a time, and rounded stochastically when they are stored
// (stochastic_rounding.h): what the loop leaves alone stays the same to the
// bit. Any thread; parts of a range are independent.
#ifndef AUTOTP_WORKER_ZERO_ELEMENT_LOOP_H_
#define AUTOTP_WORKER_ZERO_ELEMENT_LOOP_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "proto/support/flat_layout.h"
#include "proto/support/optimizer_states.h"
#include "worker/collective/communicator.h"
#include "worker/optimizer/update.h"
#include "worker/zero/flat_gradients.h"
#include "worker/zero/numbers.h"
#include "worker/zero/parallel_for.h"
#include "worker/zero/parameter_info.h"

namespace autotp::zero {

// What this rank updates of one parameter.
struct UpdateRange {
  int parameter = 0;
  const Bucket* bucket = nullptr;
  Range place;      // in the flat buffers
  Range local;      // the same among the parameter's local elements
  Numbers weights;  // what is updated
  std::array<Numbers, kMostStates> states;
  Numbers rounded;  // beside fp32 masters: the weights of the program
};

// One optimizer step on this rank.
struct UpdateContext {
  const optimizer::Update& update;
  const std::vector<ParameterInfo>& parameters;
  FlatGradients& gradients;
  bool sharded = false;  // data-parallel ranks update different ranges
  collective::Communicator* data_group = nullptr;    // null: one rank
  collective::Communicator* tensor_group = nullptr;  // null: one rank
  ParallelFor parallel_for = nullptr;
  uint64_t seed = 0;  // of stochastic rounding
};

inline constexpr int64_t kUpdateGrain = 32 << 10;  // elements worth a thread

// Elements [offset, offset + count) of a range.
struct Block {
  int64_t offset = 0;
  int64_t count = 0;
  float* weights = nullptr;
  std::array<float*, kMostStates> states = {};  // null: there is none
};

// Runs `body` on blocks that together are `part`, counted from the range's
// begin. `publish`: the weights are as they will be, so the program's are
// rounded from them.
void ForEachBlock(const UpdateContext& context, const UpdateRange& range,
                  Range part, bool publish,
                  absl::FunctionRef<void(const Block&)> body);

// Every element by itself.
void UpdateByElement(const UpdateContext& context, const UpdateRange& range);

}  // namespace autotp::zero

#endif  // AUTOTP_WORKER_ZERO_ELEMENT_LOOP_H_
