#include "coordinator/partition/cut_groups.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include "coordinator/partition/rank_intervals.h"
#include "coordinator/partition/union_find.h"
#include "coordinator/program/shape_rules.h"

namespace autotp::partition {

using program::ElementCount;
using program::kNoValue;
using program::Node;
using program::Operation;
using program::Program;
using program::ValueId;

namespace {

constexpr double kNumbersPerTokenOfLoss = 3;

// Positions are an input too, but no row of a vocabulary.
bool IsTokenInput(const Program& program, ValueId value) {
  return std::count(program.inputs.begin(), program.inputs.end(), value) > 0 &&
         program.values[value].name != "positions";
}

}  // namespace

std::vector<int64_t> UnitsPerRank(const CutGroup& group, int ranks,
                                  int64_t grain) {
  if (group.has_query_heads || group.has_key_heads) grain = 1;
  const int64_t width = std::max<int64_t>(group.unit_width, 1);
  return SpreadUnits(group.units, ranks, grain / std::gcd(grain, width));
}

CutGroups::CutGroups(const Program& program, const Axes& axes)
    : program_(program), axes_(axes) {
  MakeBlocks();
  JoinBlocks();
  NumberGroups();
  CountUnits();
  NoteObstacles();
  NoteMembers();
  CountCosts();
  NoteRoles();
}

void CutGroups::MakeBlocks() {
  first_.assign(axes_.axis.size(), 0);
  count_.assign(axes_.axis.size(), 0);
  for (size_t dim = 0; dim < axes_.axis.size(); ++dim) {
    if (axes_.axis[dim] != static_cast<int>(dim)) continue;
    first_[dim] = static_cast<int>(blocks_.size());
    int64_t begin = 0;
    const auto breaks = axes_.breaks.find(static_cast<int>(dim));
    if (breaks != axes_.breaks.end()) {
      for (int64_t at : breaks->second) {
        blocks_.push_back({begin, at, 0});
        begin = at;
      }
    }
    blocks_.push_back({begin, axes_.length[dim], 0});
    count_[dim] = static_cast<int>(blocks_.size()) - first_[dim];
  }
}

void CutGroups::JoinPieces(const PieceRelation& piece) {
  const absl::Span<const Block> whole = BlocksOf(piece.whole);
  const int whole_first = first_[axes_.axis[piece.whole]];
  int index = first_[axes_.axis[piece.piece]];
  for (const Block& block : BlocksOf(piece.piece)) {
    const int64_t begin = block.begin + piece.begin;
    const auto match = std::lower_bound(
        whole.begin(), whole.end(), begin,
        [](const Block& b, int64_t at) { return b.begin < at; });
    if (match != whole.end() && match->begin == begin &&
        match->end == block.end + piece.begin) {
      joins_.emplace_back(whole_first + (match - whole.begin()), index);
    } else {
      misfits_.push_back({index, {Obstacle::Kind::kPieces, piece.node, 0}});
      for (size_t w = 0; w < whole.size(); ++w) {
        misfits_.push_back({whole_first + static_cast<int>(w),
                            {Obstacle::Kind::kPieces, piece.node, 0}});
      }
    }
    ++index;
  }
}

void CutGroups::JoinScaled(const ScaleRelation& scale) {
  const absl::Span<const Block> a = BlocksOf(scale.a);
  const absl::Span<const Block> b = BlocksOf(scale.b);
  const int a_first = first_[axes_.axis[scale.a]];
  const int b_first = first_[axes_.axis[scale.b]];
  bool fits = a.size() == b.size();
  for (size_t i = 0; fits && i < a.size(); ++i) {
    fits = a[i].begin * axes_.length[scale.b] ==
           b[i].begin * axes_.length[scale.a];
  }
  const Obstacle mixed{Obstacle::Kind::kReshape, scale.node, 0};
  if (fits) {
    for (size_t i = 0; i < a.size(); ++i)
      joins_.emplace_back(a_first + i, b_first + i);
    return;
  }
  for (size_t i = 0; i < a.size(); ++i)
    misfits_.push_back({a_first + static_cast<int>(i), mixed});
  for (size_t i = 0; i < b.size(); ++i)
    misfits_.push_back({b_first + static_cast<int>(i), mixed});
}

void CutGroups::JoinBlocks() {
  for (const PieceRelation& piece : axes_.pieces) JoinPieces(piece);
  for (const ScaleRelation& scale : axes_.scales) JoinScaled(scale);
}

void CutGroups::NumberGroups() {
  UnionFind sets(static_cast<int>(blocks_.size()));
  for (const auto& [a, b] : joins_) sets.Join(a, b);
  std::vector<int> number(blocks_.size(), -1);
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const int root = sets.Find(static_cast<int>(i));
    if (number[root] < 0) {
      number[root] = static_cast<int>(groups_.size());
      groups_.emplace_back();
    }
    blocks_[i].group = number[root];
  }
}

void CutGroups::CountUnits() {
  for (const Block& block : blocks_) {
    CutGroup& group = groups_[block.group];
    const int64_t length = block.end - block.begin;
    group.units = std::gcd(group.units, length);
    if (group.unit_width == 0 || length < group.unit_width)
      group.unit_width = length;
  }
  for (CutGroup& group : groups_)
    group.unit_width /= std::max<int64_t>(group.units, 1);
  for (size_t dim = 0; dim < axes_.axis.size(); ++dim) {
    for (const Block& block : BlocksOf(static_cast<int>(dim))) {
      std::vector<int>& dims = groups_[block.group].dims;
      if (dims.empty() || dims.back() != static_cast<int>(dim))
        dims.push_back(static_cast<int>(dim));
    }
  }
}

void CutGroups::NoteObstacles() {
  for (const Misfit& misfit : misfits_)
    groups_[blocks_[misfit.block].group].obstacles.push_back(misfit.obstacle);
  for (const BlockedDim& blocked : axes_.blocked) {
    for (const Block& block : BlocksOf(blocked.dim))
      groups_[block.group].obstacles.push_back(blocked.obstacle);
  }
}

void CutGroups::NoteMembers() {
  // How embeddings look a value up: nowhere, somewhere, by the input ids.
  std::vector<int> look_ups(program_.values.size(), 0);
  std::vector<int> by_input(program_.values.size(), 0);
  std::vector<int> uses(program_.values.size(), 0);
  for (const Node& node : program_.nodes) {
    for (ValueId input : node.inputs)
      if (input != kNoValue) ++uses[input];
    if (node.operation != Operation::kEmbedding) continue;
    ++look_ups[node.inputs[0]];
    by_input[node.inputs[0]] += IsTokenInput(program_, node.inputs[1]);
  }
  for (size_t p = 0; p < program_.parameters.size(); ++p) {
    const ValueId value = program_.parameters[p].value;
    const std::vector<int64_t>& shape = program_.values[value].shape;
    const bool table = uses[value] > 0 && look_ups[value] == uses[value];
    for (size_t d = 0; d < shape.size(); ++d) {
      const int dim = axes_.DimOf(value, static_cast<int>(d));
      const absl::Span<const Block> blocks = BlocksOf(dim);
      // A dimension is cut only if all its blocks are.
      const bool free =
          std::all_of(blocks.begin(), blocks.end(), [this](const Block& block) {
            return groups_[block.group].obstacles.empty();
          });
      const bool counts = shape.size() >= 2 && free &&
                          !program_.parameters[p].frozen &&
                          !(table && (d == 1 || by_input[value] == 0));
      for (const Block& block : blocks) {
        const double share =
            counts ? static_cast<double>(ElementCount(shape)) *
                         static_cast<double>(block.end - block.begin) /
                         static_cast<double>(std::max<int64_t>(shape[d], 1))
                   : 0;
        groups_[block.group].members.push_back(
            {static_cast<int>(p), static_cast<int>(d), share});
      }
    }
  }
}

void CutGroups::CountCosts() {
  const double tokens =
      program_.inputs.empty()
          ? 1
          : static_cast<double>(std::max<int64_t>(
                1, ElementCount(program_.values[program_.inputs[0]].shape)));
  std::set<std::pair<int, ValueId>> entered;
  for (size_t n = 0; n < program_.nodes.size(); ++n) {
    const Node& node = program_.nodes[n];
    const PlacementRule& rule = axes_.rules[n];
    if (rule.summed == 0) continue;
    std::set<int> summed;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      for (size_t d = 0; d < rule.inputs[i].size(); ++d) {
        const int label = rule.inputs[i][d].label;
        const int dim = axes_.DimOf(node.inputs[i], static_cast<int>(d));
        for (const Block& block : BlocksOf(dim)) {
          if (label != kNoLabel && rule.Summed(label))
            summed.insert(block.group);
        }
      }
    }
    const double sent = node.operation == Operation::kCrossEntropy
                            ? kNumbersPerTokenOfLoss
                            : static_cast<double>(ElementCount(
                                  program_.values[node.outputs[0]].shape)) /
                                  tokens;
    for (int group : summed) groups_[group].cost += sent;
    const bool experts = node.operation == Operation::kExperts;
    if (node.operation != Operation::kLinear && !experts) continue;
    // The whole input of a cut linear: its gradient is summed.
    const ValueId x = node.inputs[0];
    const ValueId weight = node.inputs[experts ? 3 : 1];
    const int rows = FlagOf(node, "transposed", false) ? 1 : 0;
    for (const Block& block : BlocksOf(axes_.DimOf(weight, rows))) {
      if (entered.emplace(block.group, x).second) {
        groups_[block.group].cost +=
            static_cast<double>(ElementCount(program_.values[x].shape)) /
            tokens;
      }
    }
  }
}

void CutGroups::NoteRoles() {
  for (size_t n = 0; n < program_.nodes.size(); ++n) {
    const Node& node = program_.nodes[n];
    const auto mark = [&](ValueId value, int d, bool CutGroup::*role) {
      for (const Block& block : BlocksOf(axes_.DimOf(value, d)))
        groups_[block.group].*role = true;
    };
    const auto last = [&](ValueId value) {
      return static_cast<int>(program_.values[value].shape.size()) - 1;
    };
    if (node.operation == Operation::kAttention) {
      mark(node.inputs[0], 1, &CutGroup::has_query_heads);
      mark(node.inputs[1], 1, &CutGroup::has_key_heads);
      mark(node.inputs[2], 1, &CutGroup::has_key_heads);
      for (const Block& block : BlocksOf(axes_.DimOf(node.inputs[0], 1))) {
        groups_[block.group].query_heads =
            program_.values[node.inputs[0]].shape[1];
      }
    } else if (node.operation == Operation::kActivation ||
               node.operation == Operation::kGatedActivation) {
      if (last(node.outputs[0]) >= 0)
        mark(node.outputs[0], last(node.outputs[0]), &CutGroup::has_activation);
    } else if (node.operation == Operation::kExperts) {
      mark(node.inputs[3], 0, &CutGroup::has_activation);
    } else if (node.operation == Operation::kCrossEntropy) {
      mark(node.inputs[0], 2, &CutGroup::has_vocabulary);
    } else if (node.operation == Operation::kEmbedding &&
               IsTokenInput(program_, node.inputs[1])) {
      mark(node.inputs[0], 0, &CutGroup::has_vocabulary);
    }
  }
  // Columns behind too few heads: related to them no more, named alike.
  for (const ScaleRelation& scale : axes_.dropped) {
    for (const auto& [from, to] :
         {std::pair(scale.a, scale.b), std::pair(scale.b, scale.a)}) {
      for (const Block& block : BlocksOf(from)) {
        const CutGroup& heads = groups_[block.group];
        for (const Block& other : BlocksOf(to)) {
          CutGroup& columns = groups_[other.group];
          columns.has_query_heads |= heads.has_query_heads;
          columns.has_key_heads |= heads.has_key_heads;
          columns.query_heads =
              std::max(columns.query_heads, heads.query_heads);
        }
      }
    }
  }
}

}  // namespace autotp::partition
