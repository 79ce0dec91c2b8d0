// parameter_info.h -- what the flat buffers know of a parameter.
#ifndef AUTOTP_WORKER_ZERO_PARAMETER_INFO_H_
#define AUTOTP_WORKER_ZERO_PARAMETER_INFO_H_

#include <cstdint>
#include <string>

#include "worker/checkpoint/slice.h"
#include "worker/optimizer/update.h"

namespace autotp::zero {

struct ParameterInfo {
  int64_t elements = 0;  // of the local shape
  bool partial_gradient = false;
  // Its squares belong to the norm on this rank: those of a parameter that is
  // whole on every tensor-parallel rank count on one of them only.
  bool counts_in_norm = true;
  bool frozen = false;  // a buffer of the model: never updated
  optimizer::Treatment treatment;
  // Where its local elements lie in the whole tensor: needed where an update
  // depends on an element's place (Muon, stochastic rounding).
  std::string name;
  checkpoint::Shape shape;
  checkpoint::Slice slice;
};

}  // namespace autotp::zero

#endif  // AUTOTP_WORKER_ZERO_PARAMETER_INFO_H_
