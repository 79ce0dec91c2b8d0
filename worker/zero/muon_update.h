// muon_update.h -- Muon over this rank's ranges, as one device would do it.
//
// Flow: per round (proto/support/muon_rounds.h): momentum -> the directions
// of whole matrices, each at its taker -> orthogonalised -> back to all ranks
// -> the weights of their ranges.
//
// Every rank puts its elements where they lie in the whole matrix, and zeros
// elsewhere; the sum over ranks puts the matrix together, exactly. What several
// ranks hold alike counts on one of them. Parameters that are not
// orthogonalised are not touched here.
#ifndef AUTOTP_WORKER_ZERO_MUON_UPDATE_H_
#define AUTOTP_WORKER_ZERO_MUON_UPDATE_H_

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/support/muon_rounds.h"
#include "worker/kernel/matrix_product.h"
#include "worker/zero/element_loop.h"
#include "worker/zero/host_memory.h"

namespace autotp::zero {

class MuonUpdate {
 public:
  // `product` runs on all threads of this rank.
  // RESOURCE_EXHAUSTED: not enough memory.
  static absl::StatusOr<std::unique_ptr<MuonUpdate>> Create(
      const std::vector<ParameterInfo>& parameters, int tensor_size,
      int data_size, kernel::MatrixProduct product);

  // A collective call of both groups. `ranges`: all of this rank's.
  absl::Status Run(const UpdateContext& context,
                   const std::vector<UpdateRange>& ranges);

 private:
  MuonUpdate(std::vector<MuonRound> rounds, kernel::MatrixProduct product)
      : rounds_(std::move(rounds)), product_(product) {}

  void FillDirections(const UpdateContext& context, const UpdateRange& range,
                      float* slot);
  void UpdateWeights(const UpdateContext& context, const UpdateRange& range,
                     const float* slot);
  absl::Status Orthogonalize(const UpdateContext& context,
                             const MuonRound& round);

  const std::vector<MuonRound> rounds_;
  const kernel::MatrixProduct product_;
  HostMemory directions_;  // the slots of a round
  std::vector<float> scratch_;
};

}  // namespace autotp::zero

#endif  // AUTOTP_WORKER_ZERO_MUON_UPDATE_H_
