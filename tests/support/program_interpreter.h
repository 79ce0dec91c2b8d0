// program_interpreter.h -- runs programs in plain C++, in double precision,
// forward and backward: the meaning of operation.h, written as simply as it
// can be.
//
// All ranks of a tensor-parallel group run in one process, in lock-step from
// collective to collective, so that the local programs of a partition can be
// compared with the one-rank program. Slow: for tiny programs only.
#ifndef AUTOTP_TESTS_SUPPORT_PROGRAM_INTERPRETER_H_
#define AUTOTP_TESTS_SUPPORT_PROGRAM_INTERPRETER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/program/program.h"

namespace autotp::testing {

struct Tensor {
  std::vector<int64_t> shape;
  std::vector<double> data;  // row-major
};

// Whole tensors, by parameter name.
using NamedTensors = std::map<std::string, Tensor>;

// Zeros of that shape.
Tensor Zeros(std::vector<int64_t> shape);

// The positions `intervals` of dimension `dim`, one after the other.
Tensor TakeIntervals(const Tensor& x, int dim,
                     const program::Intervals& intervals);

// Repeatable values for every parameter of `program`: small random numbers.
NamedTensors RandomParameters(const program::Program& program, uint64_t seed);

// input_ids and labels as the program's inputs ask for them, with ids below
// `vocabulary` and some labels at -100.
std::vector<Tensor> RandomInputs(const program::Program& program,
                                 int64_t vocabulary, uint64_t seed);

struct RankResult {
  double loss = 0;
  NamedTensors gradients;  // local shapes
};

// Runs one program per rank. INVALID_ARGUMENT where the ranks do not run the
// same collectives in the same order, or their shapes do not fit.
absl::StatusOr<std::vector<RankResult>> RunPrograms(
    const std::vector<program::Program>& ranks, const NamedTensors& parameters,
    const std::vector<Tensor>& inputs);

// Whole gradients out of those of the ranks: cut ones put together, partial
// ones summed. INVALID_ARGUMENT where ranks that should agree do not, or a
// cut does not cover the parameter exactly once.
absl::StatusOr<NamedTensors> AssembleGradients(
    const std::vector<program::Program>& ranks,
    const std::vector<RankResult>& results);

// INVALID_ARGUMENT naming what differs by more than `tolerance`, relative to
// the largest number of the tensor (and 1e-4 of the largest of all, since true
// zeros come out as rounding).
absl::Status CompareWithWhole(const program::Program& whole,
                              const std::vector<program::Program>& ranks,
                              const NamedTensors& parameters,
                              const std::vector<Tensor>& inputs,
                              double tolerance);

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_SUPPORT_PROGRAM_INTERPRETER_H_
