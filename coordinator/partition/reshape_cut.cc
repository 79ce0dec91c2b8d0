#include "coordinator/partition/reshape_cut.h"

#include <algorithm>
#include <utility>

namespace autotp::partition {

using program::Interval;
using program::Intervals;

namespace {

// Above this many intervals a cut is gathered instead of followed.
constexpr int64_t kMostIntervals = 1 << 14;

int64_t Product(const std::vector<int64_t>& shape, const std::vector<int>& dims,
                size_t begin, size_t end) {
  int64_t product = 1;
  for (size_t i = begin; i < end; ++i) product *= shape[dims[i]];
  return product;
}

// `own` of a dimension, with `outer` positions around it and `inner` inside,
// as positions of the group written out flat.
Intervals Flatten(const Intervals& own, int64_t outer, int64_t length,
                  int64_t inner) {
  Intervals flat;
  for (int64_t o = 0; o < outer; ++o) {
    for (const Interval& interval : own) {
      flat.push_back({(o * length + interval.begin) * inner,
                      (o * length + interval.end) * inner});
    }
  }
  return program::Normalize(std::move(flat));
}

// The inverse of Flatten, if `flat` has that form.
std::optional<Intervals> Unflatten(const Intervals& flat, int64_t outer,
                                   int64_t length, int64_t inner) {
  Intervals own;
  for (const Interval& interval : Window(flat, 0, length * inner)) {
    if (interval.begin % inner != 0 || interval.end % inner != 0)
      return std::nullopt;
    own.push_back({interval.begin / inner, interval.end / inner});
  }
  if (Flatten(own, outer, length, inner) != flat) return std::nullopt;
  return own;
}

}  // namespace

std::vector<ReshapeGroup> ReshapeGroups(const std::vector<int64_t>& from,
                                        const std::vector<int64_t>& to) {
  std::vector<ReshapeGroup> groups;
  if (std::count(from.begin(), from.end(), 0) != 0) return groups;
  size_t i = 0;
  size_t j = 0;
  while (true) {
    while (i < from.size() && from[i] == 1) ++i;
    while (j < to.size() && to[j] == 1) ++j;
    if (i == from.size() || j == to.size()) return groups;
    ReshapeGroup group{{static_cast<int>(i)}, {static_cast<int>(j)}};
    int64_t left = from[i++];
    int64_t right = to[j++];
    while (left != right) {
      if (left < right) {
        left *= from[i];
        if (from[i] != 1) group.from.push_back(static_cast<int>(i));
        ++i;
      } else {
        right *= to[j];
        if (to[j] != 1) group.to.push_back(static_cast<int>(j));
        ++j;
      }
    }
    groups.push_back(std::move(group));
  }
}

std::optional<DimCut> MoveThroughReshape(const std::vector<int64_t>& from,
                                         const std::vector<int64_t>& to,
                                         const DimCut& cut) {
  for (const ReshapeGroup& group : ReshapeGroups(from, to)) {
    const auto at = std::find(group.from.begin(), group.from.end(), cut.dim);
    if (at == group.from.end()) continue;
    const size_t k = at - group.from.begin();
    const int64_t outer = Product(from, group.from, 0, k);
    const int64_t inner = Product(from, group.from, k + 1, group.from.size());
    RankIntervals flat;
    for (const Intervals& own : *cut.ranks) {
      if (outer * static_cast<int64_t>(own.size()) > kMostIntervals)
        return std::nullopt;
      flat.push_back(Flatten(own, outer, from[cut.dim], inner));
    }
    for (size_t m = 0; m < group.to.size(); ++m) {
      const int64_t around = Product(to, group.to, 0, m);
      const int64_t inside = Product(to, group.to, m + 1, group.to.size());
      RankIntervals moved;
      for (const Intervals& one : flat) {
        std::optional<Intervals> own =
            Unflatten(one, around, to[group.to[m]], inside);
        if (!own.has_value()) break;
        moved.push_back(*std::move(own));
      }
      if (moved.size() == flat.size())
        return DimCut{group.to[m], MakeRanks(std::move(moved))};
    }
    return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace autotp::partition
