// cut_groups.h -- blocks of axes that can only be cut together, with what
// cutting them would bring and cost.
//
// Flow: axes.h -> FindCutGroups -> choice.h.
//
// A group's units are the greatest common divisor of its blocks' lengths:
// KV groups of an attention, columns of an MLP, rows of a vocabulary. Cutting
// by units keeps every member aligned.
#ifndef AUTOTP_COORDINATOR_PARTITION_CUT_GROUPS_H_
#define AUTOTP_COORDINATOR_PARTITION_CUT_GROUPS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "coordinator/partition/axes.h"

namespace autotp::partition {

// Part of an axis, [begin, end) of it.
struct Block {
  int64_t begin = 0;
  int64_t end = 0;
  int group = 0;
};

struct GroupMember {
  int parameter = 0;
  int dim = 0;          // of the parameter
  double elements = 0;  // of it in this group that would be spread; 0 where
                        // cutting it saves nothing (norms, position tables)
};

struct CutGroup {
  int64_t units = 0;
  std::vector<int> dims;  // indices as in Axes
  std::vector<Obstacle> obstacles;
  std::vector<GroupMember> members;
  double cost = 0;  // numbers sent per token
  // What it touches, for its name.
  bool has_query_heads = false;
  bool has_key_heads = false;
  bool has_activation = false;
  bool has_vocabulary = false;
  int64_t query_heads = 0;
  int64_t unit_width = 0;  // the least number of elements that is one unit
};

// Units of each rank. What is no head is shared out in multiples of `grain`
// elements.
std::vector<int64_t> UnitsPerRank(const CutGroup& group, int ranks,
                                  int64_t grain);

class CutGroups {
 public:
  CutGroups(const program::Program& program, const Axes& axes);

  const std::vector<CutGroup>& groups() const { return groups_; }

  // The blocks of a dimension's axis, in order.
  absl::Span<const Block> BlocksOf(int dim) const {
    const int axis = axes_.axis[dim];
    return absl::MakeSpan(blocks_).subspan(first_[axis], count_[axis]);
  }

 private:
  void MakeBlocks();
  void JoinBlocks();
  void JoinPieces(const PieceRelation& piece);
  void JoinScaled(const ScaleRelation& scale);
  void NumberGroups();
  void CountUnits();
  void NoteObstacles();
  void NoteMembers();
  void CountCosts();
  void NoteRoles();

  struct Misfit {
    int block = 0;
    Obstacle obstacle;
  };

  const program::Program& program_;
  const Axes& axes_;
  std::vector<Block> blocks_;
  std::vector<int> first_;  // [axis]
  std::vector<int> count_;  // [axis]
  std::vector<std::pair<int, int>> joins_;
  std::vector<Misfit> misfits_;
  std::vector<CutGroup> groups_;
};

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_CUT_GROUPS_H_
