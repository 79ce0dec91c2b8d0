#include "worker/trainer/groups.h"

#include <gtest/gtest.h>

namespace autotp::trainer {
namespace {

v1::TrainerTask TaskWith(v1::ProcessGroup::Backend backend, int ranks) {
  v1::TrainerTask task;
  v1::ProcessGroup& group = *task.add_groups();
  group.set_name("world");
  group.set_backend(backend);
  for (int rank = 0; rank < ranks; ++rank) group.add_ranks(rank);
  return task;
}

TEST(ThreadsPerRank, NeighboursOnTheHostShareItsProcessors) {
  const auto shared = v1::ProcessGroup::BACKEND_SHARED_MEMORY;
  EXPECT_EQ(ThreadsPerRank(TaskWith(shared, 4), 8), 2);
  EXPECT_EQ(ThreadsPerRank(TaskWith(shared, 4), 2), 1);
  EXPECT_EQ(ThreadsPerRank(TaskWith(v1::ProcessGroup::BACKEND_LOCAL, 1), 8), 8);
  // Gloo joins hosts: its ranks are not all here.
  EXPECT_EQ(ThreadsPerRank(TaskWith(v1::ProcessGroup::BACKEND_GLOO, 4), 8), 8);
}

TEST(ProcessorCount, IsAtLeastOne) { EXPECT_GE(ProcessorCount(), 1); }

}  // namespace
}  // namespace autotp::trainer
