#include "coordinator/partition/least_cut.h"

#include <algorithm>

namespace autotp::partition {

int LeastCut::AddNode() {
  arcs_.emplace_back();
  return static_cast<int>(arcs_.size()) - 1;
}

void LeastCut::AddArc(int from, int to, int64_t cost) {
  if (cost == 0 || from == to) return;
  arcs_[from].push_back({to, cost, static_cast<int>(arcs_[to].size())});
  arcs_[to].push_back({from, 0, static_cast<int>(arcs_[from].size()) - 1});
}

bool LeastCut::FindLevels() {
  level_.assign(arcs_.size(), -1);
  level_[kSource] = 0;
  std::vector<int> open{kSource};
  for (size_t i = 0; i < open.size(); ++i) {
    for (const Arc& arc : arcs_[open[i]]) {
      if (arc.room == 0 || level_[arc.to] >= 0) continue;
      level_[arc.to] = level_[open[i]] + 1;
      open.push_back(arc.to);
    }
  }
  return level_[kSink] >= 0;
}

int64_t LeastCut::Push(int node, int64_t most) {
  if (node == kSink) return most;
  for (size_t& i = next_[node]; i < arcs_[node].size(); ++i) {
    Arc& arc = arcs_[node][i];
    if (arc.room == 0 || level_[arc.to] != level_[node] + 1) continue;
    const int64_t pushed = Push(arc.to, std::min(most, arc.room));
    if (pushed == 0) continue;
    arc.room -= pushed;
    arcs_[arc.to][arc.back].room += pushed;
    return pushed;
  }
  return 0;
}

std::vector<bool> LeastCut::SourceSide() {
  while (FindLevels()) {
    next_.assign(arcs_.size(), 0);
    while (Push(kSource, kNever) > 0) {
    }
  }
  // The sink's side is what still reaches the sink.
  std::vector<bool> source_side(arcs_.size(), true);
  source_side[kSink] = false;
  std::vector<int> open{kSink};
  for (size_t i = 0; i < open.size(); ++i) {
    for (const Arc& arc : arcs_[open[i]]) {
      const bool reaches = arcs_[arc.to][arc.back].room > 0;
      if (!reaches || !source_side[arc.to]) continue;
      source_side[arc.to] = false;
      open.push_back(arc.to);
    }
  }
  return source_side;
}

}  // namespace autotp::partition
