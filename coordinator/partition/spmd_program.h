// spmd_program.h -- all ranks' local programs as one: what each value's local
// parts are, with per-rank numbers only where ranks differ.
//
// Flow: propagate.h writes it -> gradient_modes.h adds the copies ->
// lower.h makes one program::Program per rank.
//
// Invariants: a value is whole (the same on every rank), cut (each rank holds
// its intervals of one dimension) or partial (the ranks' sum is the value).
// In the backward, a cut value's gradient is each rank's own part, and a
// partial value's gradient is whole on every rank. A whole value's gradient
// is either whole on every rank or, in gradient_modes.h's word, local: the
// ranks' sum is the gradient.
#ifndef AUTOTP_COORDINATOR_PARTITION_SPMD_PROGRAM_H_
#define AUTOTP_COORDINATOR_PARTITION_SPMD_PROGRAM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/partition/rank_intervals.h"
#include "coordinator/program/program.h"

namespace autotp::partition {

enum class Spread { kWhole, kCut, kPartial };

struct SpmdValue {
  std::string name;
  program::ValueId source = program::kNoValue;  // of which it is a form
  program::ValueKind kind = program::ValueKind::kFloat;
  std::vector<int64_t> shape;  // of the whole value
  Spread spread = Spread::kWhole;
  int dim = -1;  // kCut
  Ranks ranks;   // kCut
  // Ranks that repeat positions hold more than their intervals: the local
  // length by rank; empty: that of the intervals.
  std::vector<int64_t> lengths;
  bool needs_gradient = false;

  int64_t LocalLength(int rank) const {
    return lengths.empty() ? program::Length((*ranks)[rank]) : lengths[rank];
  }
};

struct SpmdNode {
  program::Operation operation{};
  int source = -1;          // the program's node that it stands for; -1: none
  std::vector<int> inputs;  // program::kNoValue where absent
  std::vector<int> outputs;
  // Without those that lower.h fills in by rank: a reshape's shape, a take's
  // and a gather's intervals.
  program::Attributes attributes;
  std::string scope;
  std::string reason;  // of a collective
  std::string aten;    // kAten: which one
  // A kAten whose attribute "groups" is the local length of dimension 1.
  bool groups_are_local = false;
  // By rank, where set: the rows of an embedding or loss, the range of a
  // slice.
  std::vector<program::Interval> range;
  // By rank, where set: positions of `dim` of the only input, one after the
  // other, with repetitions; empty for a rank that takes the input as it is.
  // Lowered to slices and a concatenation.
  std::vector<std::vector<int64_t>> picks;
};

struct SpmdParameter {
  int source = 0;  // index in the whole program
  int value = 0;
  bool partial_gradient = false;
};

struct SpmdProgram {
  std::vector<SpmdValue> values;
  std::vector<SpmdNode> nodes;
  std::vector<SpmdParameter> parameters;
  std::vector<int> inputs;
  int loss = -1;
  int ranks = 1;
};

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_SPMD_PROGRAM_H_
