#include "worker/collective/factory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/unit/worker/collective/shared_key_store.h"
#include "tests/unit/worker/collective/world.h"

namespace autotp::collective {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

v1::ProcessGroup Group(v1::ProcessGroup::Backend backend,
                       const std::vector<int>& ranks) {
  v1::ProcessGroup group;
  group.set_name("dp");
  group.set_key("dp/0");
  group.set_backend(backend);
  for (int rank : ranks) group.add_ranks(rank);
  return group;
}

absl::Status Create(const v1::ProcessGroup& group, int rank,
                    const GroupOptions& options = {}) {
  SharedKeyStore keys;
  return CreateCommunicator(group, rank, keys, options).status();
}

TEST(FactoryTest, OneRankNeedsNoBackend) {
  for (auto backend : {v1::ProcessGroup::BACKEND_LOCAL,
                       v1::ProcessGroup::BACKEND_SHARED_MEMORY,
                       v1::ProcessGroup::BACKEND_NCCL}) {
    SharedKeyStore keys;
    const auto c = CreateCommunicator(Group(backend, {5}), 5, keys, {});
    ASSERT_TRUE(c.ok()) << c.status();
    EXPECT_EQ((*c)->Describe(), "local, rank 0 of 1");
  }
}

TEST(FactoryTest, SaysWhichGroupAndRankFailed) {
  const absl::Status status =
      Create(Group(v1::ProcessGroup::BACKEND_SHARED_MEMORY, {4, 6}), 5);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "cannot form the process group dp (dp/0) as rank 5: rank 5 is not "
            "in the group of ranks 4, 6");
}

TEST(FactoryTest, RefusesGroupsThatItsBackendCannotServe) {
  EXPECT_EQ(Create(Group(v1::ProcessGroup::BACKEND_LOCAL, {0, 1}), 0).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(
      Create(Group(v1::ProcessGroup::BACKEND_UNSPECIFIED, {0, 1}), 0).code(),
      StatusCode::kInvalidArgument);
}

TEST(FactoryTest, SharedMemoryNeedsASegmentOfItsSize) {
  const auto group = Group(v1::ProcessGroup::BACKEND_SHARED_MEMORY, {0, 1});
  EXPECT_THAT(std::string(Create(group, 0).message()),
              HasSubstr("passed no shared-memory segment"));
  GroupOptions options;
  options.memory_descriptor = CreateSharedMemory(3).value();
  EXPECT_THAT(std::string(Create(group, 0, options).message()),
              HasSubstr("made for 3 ranks, the group has 2"));
  close(options.memory_descriptor);
}

TEST(FactoryTest, GlooNeedsAnAddressAndItsPlugin) {
  const auto group = Group(v1::ProcessGroup::BACKEND_GLOO, {0, 1});
  const absl::Status no_address = Create(group, 0);
  EXPECT_EQ(no_address.code(), StatusCode::kFailedPrecondition);
  GroupOptions options;
  options.data_address = "127.0.0.1";
  options.plugin_directory = "/nowhere";
  const absl::Status no_plugin = Create(group, 0, options);
  EXPECT_EQ(no_plugin.code(), StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(no_plugin.message()),
              HasSubstr("/nowhere/libautotp_gloo.so"));
}

TEST(FactoryTest, NcclNeedsItsPlugin) {
  GroupOptions options;
  options.plugin_directory = "/nowhere";
  EXPECT_EQ(
      Create(Group(v1::ProcessGroup::BACKEND_NCCL, {0, 1}), 0, options).code(),
      StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace autotp::collective
