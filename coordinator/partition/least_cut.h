// least_cut.h -- the cheapest way to tell two sides of a directed graph apart.
//
// Dinic's maximum flow. Of the cuts that cost the least, the one with the most
// nodes on the source's side.
#ifndef AUTOTP_COORDINATOR_PARTITION_LEAST_CUT_H_
#define AUTOTP_COORDINATOR_PARTITION_LEAST_CUT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace autotp::partition {

class LeastCut {
 public:
  static constexpr int kSource = 0;
  static constexpr int kSink = 1;
  // An arc that no cut may pay for.
  static constexpr int64_t kNever = int64_t{1} << 60;

  LeastCut() : arcs_(2) {}

  int AddNode();
  // Paid where `from` is on the source's side and `to` on the sink's.
  // REQUIRES: no path of kNever arcs from source to sink.
  void AddArc(int from, int to, int64_t cost);

  // [node]: is it on the source's side? Once, after all arcs.
  std::vector<bool> SourceSide();

 private:
  struct Arc {
    int to = 0;
    int64_t room = 0;
    int back = 0;  // index of the reverse arc among those of `to`
  };

  bool FindLevels();
  int64_t Push(int node, int64_t most);

  std::vector<std::vector<Arc>> arcs_;  // [node]
  std::vector<int> level_;              // [node]: distance from the source
  std::vector<size_t> next_;            // [node]: first arc that may have room
};

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_LEAST_CUT_H_
