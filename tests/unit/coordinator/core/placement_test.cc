// Goal: TP groups are runs of neighbours, DP groups stride over them, and the
// backend follows from where the ranks are.
#include "coordinator/core/placement.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"

namespace autotp::core {
namespace {

std::string Show(const v1::ProcessGroup& group) {
  std::string backend = v1::ProcessGroup::Backend_Name(group.backend());
  return absl::StrCat(group.name(), " ", group.key(), " [",
                      absl::StrJoin(group.ranks(), " "), "] ",
                      backend.substr(std::string("BACKEND_").size()));
}

std::string ShowAll(const std::vector<v1::ProcessGroup>& groups) {
  return absl::StrJoin(groups, "; ",
                       [](std::string* out, const v1::ProcessGroup& group) {
                         absl::StrAppend(out, Show(group));
                       });
}

TEST(PlacementTest, OneRankTalksToNobody) {
  EXPECT_EQ(ShowAll(GroupsOfRank(0, 1, {{"a", "cpu"}})),
            "tp tp/0 [0] LOCAL; dp dp/0 [0] LOCAL; world world [0] LOCAL");
}

TEST(PlacementTest, NeighboursAreOneTensorParallelGroup) {
  const std::vector<RankSite> sites = {
      {"a", "cpu"}, {"a", "cpu"}, {"b", "cpu"}, {"b", "cpu"}};
  EXPECT_EQ(ShowAll(GroupsOfRank(0, 2, sites)),
            "tp tp/0 [0 1] SHARED_MEMORY; dp dp/0 [0 2] GLOO; "
            "world world [0 1 2 3] GLOO");
  EXPECT_EQ(ShowAll(GroupsOfRank(3, 2, sites)),
            "tp tp/1 [2 3] SHARED_MEMORY; dp dp/1 [1 3] GLOO; "
            "world world [0 1 2 3] GLOO");
}

TEST(PlacementTest, RanksOfOneHostShareMemory) {
  const std::vector<RankSite> sites(4, {"a", "cpu"});
  EXPECT_EQ(ShowAll(GroupsOfRank(2, 2, sites)),
            "tp tp/1 [2 3] SHARED_MEMORY; dp dp/0 [0 2] SHARED_MEMORY; "
            "world world [0 1 2 3] SHARED_MEMORY");
}

TEST(PlacementTest, GpusTalkByNccl) {
  const std::vector<RankSite> sites = {{"a", "cuda"}, {"b", "cuda"}};
  EXPECT_EQ(ShowAll(GroupsOfRank(1, 1, sites)),
            "tp tp/1 [1] LOCAL; dp dp/0 [0 1] NCCL; world world [0 1] NCCL");
}

TEST(PlacementTest, MembersOfAGroupNameItAlike) {
  const std::vector<RankSite> sites(6, {"a", "cpu"});
  for (int rank = 0; rank < 6; ++rank) {
    for (const v1::ProcessGroup& group : GroupsOfRank(rank, 3, sites)) {
      for (const int other : group.ranks()) {
        bool same = false;
        for (const v1::ProcessGroup& theirs : GroupsOfRank(other, 3, sites)) {
          same = same || Show(theirs) == Show(group);
        }
        EXPECT_TRUE(same) << "rank " << other << " of " << Show(group);
      }
    }
  }
}

}  // namespace
}  // namespace autotp::core
