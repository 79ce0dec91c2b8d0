// compare_partition.h -- whether a model's local programs, run by the worker's
// own runtime, give the loss and every gradient of its whole program.
#ifndef AUTOTP_TESTS_SUPPORT_COMPARE_PARTITION_H_
#define AUTOTP_TESTS_SUPPORT_COMPARE_PARTITION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/model/model.h"
#include "tests/support/program_ranks.h"

namespace autotp::testing {

// The model's own weights and constants where a file holds them, random ones
// elsewhere.
absl::StatusOr<NamedNumbers> LoadNumbers(const v1::Program& program,
                                         uint64_t seed);

struct Comparison {
  Difference difference;
  double loss = 0;                 // of the whole program
  int copies = 0;                  // collectives: sums in the backward,
  int reductions = 0;              // sums in the forward,
  int gathers = 0;                 // gathers
  double cut = 0;                  // share of the trained elements that are cut
  std::vector<std::string> whole;  // matrices that are not
  std::vector<std::string> reasons;  // of the gathers
};

// Everything as dataflow decides. Inputs are random.
absl::StatusOr<Comparison> ComparePartition(const model::LoadedModel& model,
                                            int tensor_parallel_size,
                                            uint64_t seed);

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_SUPPORT_COMPARE_PARTITION_H_
