// axes.h -- which dimensions of a program's values are the same axis, and how
// axes relate.
//
// Flow: placement_rules.h, reshape_cut.h -> FindAxes -> cut_groups.h.
//
// Two dimensions are one axis where a label or a reshape of one dimension
// into one ties them: same length, same cut. Axes of different lengths are
// related by scale (heads and the columns behind them) or as a piece of
// another (a slice of a fused weight's output). Pieces give an axis its break
// points: between two of them it is a block that is cut on its own.
#ifndef AUTOTP_COORDINATOR_PARTITION_AXES_H_
#define AUTOTP_COORDINATOR_PARTITION_AXES_H_

#include <cstdint>
#include <map>
#include <vector>

#include "coordinator/partition/placement_rules.h"
#include "coordinator/program/program.h"

namespace autotp::partition {

// Why an axis can't be cut.
struct Obstacle {
  enum class Kind {
    kOperation,  // the node needs the whole dimension
    kNoRule,     // nothing is known of the node's operation
    kReshape,    // a reshape mixes it with others
    kPieces,     // slices or concatenations that do not line up
    kFewHeads,   // fewer heads (`number`) than ranks
  };
  Kind kind = Kind::kOperation;
  int node = -1;
  int64_t number = 0;
};

struct BlockedDim {
  int dim = 0;
  Obstacle obstacle;
};

// Below, a `dim` is an index over all dimensions of all values.
struct PieceRelation {
  int whole = 0;
  int piece = 0;
  int64_t begin = 0;  // of the piece, in the whole
  int node = 0;
};

// Outermost factors correspond: position p of a is p * length(b) / length(a).
struct ScaleRelation {
  int a = 0;
  int b = 0;
  int node = 0;
};

struct Axes {
  std::vector<int> first_dim;              // [value]
  std::vector<program::ValueId> value_of;  // [dim]
  std::vector<int64_t> length;             // [dim]
  std::vector<int> axis;                   // [dim]: the axis' first dim
  std::vector<PlacementRule> rules;        // [node]
  std::vector<PieceRelation> pieces;
  std::vector<ScaleRelation> scales;
  std::vector<ScaleRelation> dropped;  // between too few heads and columns
  std::vector<BlockedDim> blocked;
  // By axis: the inner borders of its blocks, sorted.
  std::map<int, std::vector<int64_t>> breaks;

  int DimOf(program::ValueId value, int d) const {
    return first_dim[value] + d;
  }
};

Axes FindAxes(const program::Program& program, int ranks);

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_AXES_H_
