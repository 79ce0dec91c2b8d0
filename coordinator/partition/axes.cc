#include "coordinator/partition/axes.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "coordinator/partition/reshape_cut.h"
#include "coordinator/partition/union_find.h"

namespace autotp::partition {

using program::kNoValue;
using program::Node;
using program::Operation;
using program::Program;
using program::ValueId;

namespace {

// Break points that still move after so many rounds stay as they are; what
// does not line up then is an obstacle, never a wrong cut.
constexpr int kBreakRounds = 8;

class Finder {
 public:
  Finder(const Program& program, int ranks)
      : program_(program), ranks_(ranks), sets_(NumberDims()) {}

  Axes Run() && {
    axes_.rules.reserve(program_.nodes.size());
    for (size_t n = 0; n < program_.nodes.size(); ++n) {
      const Node& node = program_.nodes[n];
      axes_.rules.push_back(RuleOf(program_, node));
      const int index = static_cast<int>(n);
      TieLabels(index, node, axes_.rules.back());
      if (axes_.rules.back().missing)
        Block(index, node, Obstacle::Kind::kNoRule);
      if (node.operation == Operation::kReshape) TieReshape(index, node);
      if (node.operation == Operation::kSlice ||
          node.operation == Operation::kConcat)
        NotePieces(index, node);
    }
    axes_.axis.resize(axes_.length.size());
    for (size_t dim = 0; dim < axes_.axis.size(); ++dim)
      axes_.axis[dim] = sets_.Find(static_cast<int>(dim));
    DropFewHeads();
    FindBreaks();
    return std::move(axes_);
  }

 private:
  int NumberDims() {
    for (size_t v = 0; v < program_.values.size(); ++v) {
      axes_.first_dim.push_back(static_cast<int>(axes_.length.size()));
      for (int64_t length : program_.values[v].shape) {
        axes_.length.push_back(length);
        axes_.value_of.push_back(static_cast<ValueId>(v));
      }
    }
    return static_cast<int>(axes_.length.size());
  }

  void TieLabels(int n, const Node& node, const PlacementRule& rule) {
    std::array<int, 64> first;
    first.fill(-1);
    const auto tie = [&](ValueId value, const std::vector<DimLabel>& labels) {
      for (size_t d = 0; d < labels.size(); ++d) {
        const int dim = axes_.DimOf(value, static_cast<int>(d));
        const int label = labels[d].label;
        if (label == kNoLabel) continue;
        if (labels[d].repeat != 1)
          axes_.scales.push_back({first[label], dim, n});
        else if (first[label] < 0)
          first[label] = dim;
        else
          sets_.Join(first[label], dim);
        if (rule.Blocked(label))
          axes_.blocked.push_back({dim, {Obstacle::Kind::kOperation, n, 0}});
      }
    };
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (node.inputs[i] != kNoValue) tie(node.inputs[i], rule.inputs[i]);
    for (ValueId output : node.outputs)
      if (program_.values[output].shape.size() == rule.output.size())
        tie(output, rule.output);
  }

  void Block(int n, const Node& node, Obstacle::Kind kind) {
    const auto block = [&](ValueId value) {
      const size_t rank = program_.values[value].shape.size();
      for (size_t d = 0; d < rank; ++d)
        axes_.blocked.push_back(
            {axes_.DimOf(value, static_cast<int>(d)), {kind, n, 0}});
    };
    for (const ValueId input : node.inputs)
      if (input != kNoValue) block(input);
    for (const ValueId output : node.outputs) block(output);
  }

  void TieReshape(int n, const Node& node) {
    const ValueId from = node.inputs[0];
    const ValueId to = node.outputs[0];
    const Obstacle mixed{Obstacle::Kind::kReshape, n, 0};
    for (const ReshapeGroup& group : ReshapeGroups(program_.values[from].shape,
                                                   program_.values[to].shape)) {
      const int a = axes_.DimOf(from, group.from[0]);
      const int b = axes_.DimOf(to, group.to[0]);
      if (group.from.size() == 1 && group.to.size() == 1) {
        sets_.Join(a, b);
        continue;
      }
      axes_.scales.push_back({a, b, n});
      for (size_t i = 1; i < group.from.size(); ++i)
        axes_.blocked.push_back({axes_.DimOf(from, group.from[i]), mixed});
      for (size_t i = 1; i < group.to.size(); ++i)
        axes_.blocked.push_back({axes_.DimOf(to, group.to[i]), mixed});
    }
  }

  void NotePieces(int n, const Node& node) {
    const int d = static_cast<int>(IntegerOf(node, "dim"));
    const int out = axes_.DimOf(node.outputs[0], d);
    if (node.operation == Operation::kSlice) {
      const int in = axes_.DimOf(node.inputs[0], d);
      if (axes_.length[in] == axes_.length[out])
        sets_.Join(in, out);
      else
        axes_.pieces.push_back({in, out, IntegerOf(node, "begin"), n});
      return;
    }
    int64_t begin = 0;
    for (ValueId input : node.inputs) {
      const int in = axes_.DimOf(input, d);
      if (axes_.length[in] == axes_.length[out])
        sets_.Join(in, out);
      else
        axes_.pieces.push_back({out, in, begin, n});
      begin += axes_.length[in];
    }
  }

  // Fewer heads than ranks: these stay whole. Behind a reshape so do the
  // columns; query heads are cut all the same, and meet whole keys.
  void DropFewHeads() {
    std::vector<ScaleRelation> kept;
    for (const ScaleRelation& scale : axes_.scales) {
      const int64_t number =
          std::min(axes_.length[scale.a], axes_.length[scale.b]);
      if (number >= ranks_) {
        kept.push_back(scale);
        continue;
      }
      const bool grouped =
          program_.nodes[scale.node].operation == Operation::kAttention;
      const Obstacle few{Obstacle::Kind::kFewHeads, scale.node, number};
      if (!grouped || axes_.length[scale.a] < ranks_)
        axes_.blocked.push_back({scale.a, few});
      axes_.blocked.push_back({scale.b, few});
      if (!grouped) axes_.dropped.push_back(scale);
    }
    axes_.scales = std::move(kept);
  }

  void FindBreaks() {
    std::map<int, std::set<int64_t>> breaks;
    const auto add = [&](int dim, int64_t at) {
      if (at > 0 && at < axes_.length[dim]) breaks[axes_.axis[dim]].insert(at);
    };
    // A copy: `add` may grow the set that is read.
    const auto at = [&](int dim) {
      const auto found = breaks.find(axes_.axis[dim]);
      return found == breaks.end() ? std::set<int64_t>() : found->second;
    };
    const auto carry = [&](int from, int to) {
      for (int64_t p : at(from)) {
        const int64_t scaled = p * axes_.length[to];
        if (scaled % axes_.length[from] == 0)
          add(to, scaled / axes_.length[from]);
      }
    };
    size_t before = 0;
    for (int round = 0; round < kBreakRounds && !axes_.pieces.empty();
         ++round) {
      for (const PieceRelation& piece : axes_.pieces) {
        const int64_t end = piece.begin + axes_.length[piece.piece];
        add(piece.whole, piece.begin);
        add(piece.whole, end);
        for (int64_t p : at(piece.piece)) add(piece.whole, piece.begin + p);
        for (int64_t p : at(piece.whole))
          if (p < end) add(piece.piece, p - piece.begin);
      }
      for (const ScaleRelation& scale : axes_.scales) {
        carry(scale.a, scale.b);
        carry(scale.b, scale.a);
      }
      size_t count = 0;
      for (const auto& [axis, points] : breaks) count += points.size();
      if (count == before) break;
      before = count;
    }
    for (const auto& [axis, points] : breaks)
      axes_.breaks[axis].assign(points.begin(), points.end());
  }

  const Program& program_;
  const int ranks_;
  Axes axes_;
  UnionFind sets_;
};

}  // namespace

Axes FindAxes(const Program& program, int ranks) {
  return Finder(program, ranks).Run();
}

}  // namespace autotp::partition
