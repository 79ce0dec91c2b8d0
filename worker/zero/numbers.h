// numbers.h -- an array of numbers of some width, in memory that others own.
#ifndef AUTOTP_WORKER_ZERO_NUMBERS_H_
#define AUTOTP_WORKER_ZERO_NUMBERS_H_

#include <cstdint>

#include "worker/collective/communicator.h"

namespace autotp::zero {

struct Numbers {
  void* data = nullptr;
  collective::ElementType type = collective::ElementType::kFloat32;

  bool is_float() const { return type == collective::ElementType::kFloat32; }
  // REQUIRES: is_float().
  float* floats() const { return static_cast<float*>(data); }
  // From element `offset` on.
  Numbers At(int64_t offset) const {
    if (data == nullptr) return *this;
    return {static_cast<char*>(data) + offset * collective::SizeOf(type), type};
  }
};

}  // namespace autotp::zero

#endif  // AUTOTP_WORKER_ZERO_NUMBERS_H_
