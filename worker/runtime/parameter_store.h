// parameter_store.h -- where a program's parameters and gradients live.
//
// Flow: worker/zero implements it over flat buffers -> LocalProgram reads
// weights and writes gradients straight into it.
//
// Parameters go by their index in the program. Pointers are contiguous, in
// the local shape, row-major.
#ifndef AUTOTP_WORKER_RUNTIME_PARAMETER_STORE_H_
#define AUTOTP_WORKER_RUNTIME_PARAMETER_STORE_H_

#include "absl/status/status.h"

namespace autotp::runtime {

// Room for one gradient, fp32: to be written, or to be added to.
struct GradientSlot {
  float* data = nullptr;
  bool add = false;
};

// One thread at a time.
class ParameterStore {
 public:
  virtual ~ParameterStore() = default;
  // In the compute type; valid until the weights change place.
  virtual void* Weight(int parameter) = 0;
  // Asked for once per use of the parameter in a backward: the first one of
  // a step overwrites, later ones add. Valid until GradientDone.
  virtual GradientSlot Gradient(int parameter) = 0;
  // This micro-step adds no more to it. Called once per micro-step for every
  // parameter, also for those whose gradient nobody asked for (it is zero).
  virtual absl::Status GradientDone(int parameter) = 0;
};

}  // namespace autotp::runtime

#endif  // AUTOTP_WORKER_RUNTIME_PARAMETER_STORE_H_
