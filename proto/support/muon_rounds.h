// muon_rounds.h -- which matrices Muon orthogonalises together, and how many
// ranks share the work.
//
// A matrix is needed whole. In a round every sharing rank takes one matrix:
// directions are summed to their takers, orthogonalised there, and gathered
// by all. The largest matrices go first, so that those of a round are of about
// one size. The worker does so; the coordinator counts bytes by it. Pure.
#ifndef AUTOTP_PROTO_SUPPORT_MUON_ROUNDS_H_
#define AUTOTP_PROTO_SUPPORT_MUON_ROUNDS_H_

#include <cstdint>
#include <vector>

namespace autotp::zero {

struct MuonRound {
  // Ranks of a group that share the work: all of it, or 1, and then each of
  // them does the same.
  int tensor_ways = 1;
  int data_ways = 1;
  int64_t slot = 0;             // elements of the largest
  std::vector<int> parameters;  // at most tensor_ways * data_ways

  int64_t elements() const { return int64_t{tensor_ways} * data_ways * slot; }
};

// `elements`: [parameter] of the whole tensor; 0: not orthogonalised.
std::vector<MuonRound> MuonRounds(const std::vector<int64_t>& elements,
                                  int tensor_size, int data_size);

}  // namespace autotp::zero

#endif  // AUTOTP_PROTO_SUPPORT_MUON_ROUNDS_H_
