#include "coordinator/core/placement.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace autotp::core {
namespace {

v1::ProcessGroup::Backend BackendOf(const std::vector<int>& ranks,
                                    const std::vector<RankSite>& sites) {
  if (ranks.size() == 1) return v1::ProcessGroup::BACKEND_LOCAL;
  const RankSite& first = sites[ranks.front()];
  if (first.device == "cuda") return v1::ProcessGroup::BACKEND_NCCL;
  for (int rank : ranks) {
    if (sites[rank].worker != first.worker) {
      return v1::ProcessGroup::BACKEND_GLOO;
    }
  }
  return v1::ProcessGroup::BACKEND_SHARED_MEMORY;
}

v1::ProcessGroup MakeGroup(std::string name, std::string key,
                           const std::vector<int>& ranks,
                           const std::vector<RankSite>& sites) {
  v1::ProcessGroup group;
  group.set_name(std::move(name));
  group.set_key(std::move(key));
  for (int rank : ranks) group.add_ranks(rank);
  group.set_backend(BackendOf(ranks, sites));
  return group;
}

}  // namespace

std::vector<v1::ProcessGroup> GroupsOfRank(int rank, int tensor_parallel_size,
                                           const std::vector<RankSite>& sites) {
  const int world = static_cast<int>(sites.size());
  const int tp = tensor_parallel_size;
  std::vector<int> tp_ranks, dp_ranks, world_ranks;
  for (int other = 0; other < world; ++other) {
    if (other / tp == rank / tp) tp_ranks.push_back(other);
    if (other % tp == rank % tp) dp_ranks.push_back(other);
    world_ranks.push_back(other);
  }
  return {
      MakeGroup("tp", absl::StrCat("tp/", rank / tp), tp_ranks, sites),
      MakeGroup("dp", absl::StrCat("dp/", rank % tp), dp_ranks, sites),
      MakeGroup("world", "world", world_ranks, sites),
  };
}

}  // namespace autotp::core
