#include "proto/support/node_schedule.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace autotp::runtime {
namespace {

// A region's nodes, in order.
using Regions = std::map<int, std::vector<int>>;

absl::StatusOr<Regions> FindRegions(const std::vector<ScheduledNode>& nodes) {
  Regions regions;
  for (int n = 0; n < static_cast<int>(nodes.size()); ++n)
    if (nodes[n].region != 0) regions[nodes[n].region].push_back(n);
  std::vector<std::pair<int, int>> spans;
  for (const auto& [region, members] : regions)
    spans.emplace_back(members.front(), members.back());
  std::sort(spans.begin(), spans.end());
  for (size_t i = 1; i < spans.size(); ++i) {
    if (spans[i].first < spans[i - 1].second) {
      return absl::InvalidArgumentError(absl::StrCat(
          "recompute regions reach into each other at node ", spans[i].first));
    }
  }
  return regions;
}

class Scheduling {
 public:
  Scheduling(const std::vector<ScheduledNode>& nodes, std::vector<bool> kept)
      : nodes_(nodes), kept_(std::move(kept)), maker_(kept_.size(), -1) {
    for (int n = 0; n < static_cast<int>(nodes_.size()); ++n)
      for (const int id : nodes_[n].outputs) maker_[id] = n;
  }

  Schedule Run(const Regions& regions) && {
    Schedule schedule;
    std::vector<int> all(nodes_.size());
    for (int n = 0; n < static_cast<int>(all.size()); ++n) all[n] = n;
    schedule.evaluation = Passes(all, kept_);

    // What enters a region is read last by the first one of those it enters,
    // whose turn in the backward comes last.
    std::vector<bool> held = kept_;
    for (const auto& [region, members] : regions) {
      const std::vector<int> again = NodesAgain(members);
      if (again.empty()) continue;
      by_first_[members.front()] = {members.back(), again};
    }
    for (const auto& [first, region] : by_first_) {
      schedule.again[region.last] = Passes(region.again, held);
      for (const int id : Entering(region.again)) held[id] = true;
      MarkUnwanted(schedule.again[region.last]);
    }
    schedule.forward = Passes(all, held);
    return schedule;
  }

 private:
  struct RegionAgain {
    int last = 0;
    std::vector<int> again;
  };

  // The members that a backward needs again, in order.
  std::vector<int> NodesAgain(const std::vector<int>& members) const {
    std::vector<bool> needed(nodes_.size());
    for (const int n : members) needed[n] = nodes_[n].keeps;
    for (auto n = members.rbegin(); n != members.rend(); ++n) {
      if (!needed[*n]) continue;
      for (const int id : nodes_[*n].inputs) {
        if (id >= 0 && maker_[id] >= 0 &&
            nodes_[maker_[id]].region == nodes_[*n].region)
          needed[maker_[id]] = true;
      }
    }
    std::vector<int> again;
    for (const int n : members)
      if (needed[n]) again.push_back(n);
    return again;
  }

  // What `again` reads and does not make.
  std::vector<int> Entering(const std::vector<int>& again) const {
    std::vector<int> entering;
    for (const int n : again) {
      for (const int id : nodes_[n].inputs) {
        if (id < 0 || kept_[id]) continue;
        if (std::find(again.begin(), again.end(), maker_[id]) == again.end())
          entering.push_back(id);
      }
    }
    return entering;
  }

  // Runs of these nodes, each freeing what none behind it reads.
  std::vector<Pass> Passes(const std::vector<int>& order,
                           const std::vector<bool>& stays) const {
    std::vector<Pass> passes(order.size());
    std::vector<bool> read(kept_.size());
    for (size_t i = order.size(); i-- > 0;) {
      passes[i].node = order[i];
      for (const int id : nodes_[order[i]].inputs) {
        if (id < 0 || read[id]) continue;
        read[id] = true;
        if (!stays[id]) passes[i].freed.push_back(id);
      }
    }
    return passes;
  }

  void MarkUnwanted(std::vector<Pass>& passes) const {
    std::vector<bool> read(kept_.size());
    for (const Pass& pass : passes)
      for (const int id : nodes_[pass.node].inputs)
        if (id >= 0) read[id] = true;
    for (Pass& pass : passes)
      for (const int id : nodes_[pass.node].outputs)
        pass.unwanted.push_back(!read[id]);
  }

  const std::vector<ScheduledNode>& nodes_;
  const std::vector<bool> kept_;
  std::vector<int> maker_;               // node by value; -1: none
  std::map<int, RegionAgain> by_first_;  // in program order
};

}  // namespace

absl::StatusOr<Schedule> MakeSchedule(const std::vector<ScheduledNode>& nodes,
                                      const std::vector<bool>& kept) {
  absl::StatusOr<Regions> regions = FindRegions(nodes);
  if (!regions.ok()) return regions.status();
  return Scheduling(nodes, kept).Run(*regions);
}

}  // namespace autotp::runtime
