// union_find.h -- disjoint sets of small integers; the smallest is the root.
//
// With the smallest member as the root, results do not depend on the order in
// which sets were joined.
#ifndef AUTOTP_COORDINATOR_PARTITION_UNION_FIND_H_
#define AUTOTP_COORDINATOR_PARTITION_UNION_FIND_H_

#include <numeric>
#include <utility>
#include <vector>

namespace autotp::partition {

class UnionFind {
 public:
  explicit UnionFind(int size) : parent_(size) {
    std::iota(parent_.begin(), parent_.end(), 0);
  }

  int Find(int x) {
    while (parent_[x] != x) x = parent_[x] = parent_[parent_[x]];
    return x;
  }

  void Join(int a, int b) {
    a = Find(a);
    b = Find(b);
    if (a > b) std::swap(a, b);
    parent_[b] = a;
  }

 private:
  std::vector<int> parent_;
};

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_UNION_FIND_H_
