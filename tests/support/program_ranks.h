// program_ranks.h -- runs the local programs of a tensor-parallel group with
// the worker's own runtime, one thread per rank, and compares them with the
// program of the whole model.
//
// In fp32. For programs of any operations, those of ATen included; native ones
// alone are compared in double precision by program_interpreter.h.
#ifndef AUTOTP_TESTS_SUPPORT_PROGRAM_RANKS_H_
#define AUTOTP_TESTS_SUPPORT_PROGRAM_RANKS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "autotp/v1/program.pb.h"
#include "worker/collective/communicator.h"

namespace autotp::testing {

// Calls body(rank, group) on `size` threads that form a group over shared
// memory; in a world of one, group is null. The first error.
absl::Status OnRanks(
    int size,
    const std::function<absl::Status(int, collective::Communicator*)>& body);

// Whole tensors, row-major, by parameter name.
using NamedNumbers = std::map<std::string, std::vector<float>>;

// Repeatable values for every parameter: small random numbers.
NamedNumbers RandomWeights(const v1::Program& program, uint64_t seed);

// The bytes of every program input, as LocalProgram takes them: token ids
// below `vocabulary`, labels some of which are -100, masks that begin with
// ones, random floats.
using InputBytes = std::vector<std::vector<char>>;
InputBytes RandomColumns(const v1::Program& program, int64_t vocabulary,
                         uint64_t seed);

struct GroupResult {
  double loss = 0;
  NamedNumbers gradients;  // whole, of all parameters that are trained
};

// One program per rank. INVALID_ARGUMENT where ranks that should agree do not,
// or a cut does not cover a parameter exactly once.
absl::StatusOr<GroupResult> RunRanks(const std::vector<v1::Program>& ranks,
                                     const NamedNumbers& weights,
                                     const InputBytes& inputs);

struct Difference {
  double loss = 0;        // relative to the loss, if that is above 1
  double gradient = 0;    // worst |got - want| / (|want| + 1e-4 of the largest)
  std::string parameter;  // whose gradient that is
};

Difference Compare(const GroupResult& got, const GroupResult& want);

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_SUPPORT_PROGRAM_RANKS_H_
