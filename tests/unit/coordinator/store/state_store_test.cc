// Goal: every StateStore keeps what it acknowledged, and one owner at a time.
// Method: one suite over all implementations; "restart" closes the store and
// opens it again on the same disk.
#include "coordinator/store/state_store.h"

#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "coordinator/store/memory_store.h"
#include "coordinator/store/sqlite_store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace autotp::store {
namespace {

using core::Row;
using core::Table;
using core::Write;
using testing::HasSubstr;
using testing::SizeIs;

using Opener = std::function<absl::StatusOr<std::unique_ptr<StateStore>>(
    const std::string& new_uid)>;

struct Backend {
  std::string name;
  std::function<Opener(const std::string& directory)> make;
};

class StateStoreTest : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/store-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    open_ = GetParam().make(directory_);
  }
  void TearDown() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  std::unique_ptr<StateStore> Open(const std::string& new_uid = "uid-1") {
    auto store = open_(new_uid);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

  std::string directory_;
  Opener open_;
};

std::vector<Row> Rows(StateStore& store) {
  auto rows = store.ReadAll();
  EXPECT_TRUE(rows.ok()) << rows.status();
  return rows.ok() ? *rows : std::vector<Row>();
}

TEST_P(StateStoreTest, EpochGrowsWithEveryOpening) {
  for (int64_t epoch = 1; epoch <= 3; ++epoch) {
    EXPECT_EQ(Open()->identity().epoch, epoch);
  }
}

TEST_P(StateStoreTest, ClusterUidIsMintedOnce) {
  EXPECT_EQ(Open("first")->identity().cluster_uid, "first");
  EXPECT_EQ(Open("second")->identity().cluster_uid, "first");
}

TEST_P(StateStoreTest, CommittedRowsOutliveTheStore) {
  const std::string binary("a\0b\xff", 4);
  {
    auto store = Open();
    ASSERT_TRUE(store
                    ->Commit({{Table::kEvents, "jobs/a/2", "late"},
                              {Table::kJobs, "jobs/a", binary},
                              {Table::kJobs, "jobs/b", ""}})
                    .ok());
  }
  const std::vector<Row> rows = Rows(*Open());
  ASSERT_THAT(rows, SizeIs(3));
  EXPECT_EQ(rows[0].key, "jobs/a");
  EXPECT_EQ(rows[0].value, binary);
  EXPECT_EQ(rows[1].key, "jobs/b");
  EXPECT_EQ(rows[2].table, Table::kEvents);
}

TEST_P(StateStoreTest, LaterWritesWinAndErasedRowsAreGone) {
  auto store = Open();
  ASSERT_TRUE(store
                  ->Commit({{Table::kJobs, "a", "1"},
                            {Table::kJobs, "a", "2"},
                            {Table::kJobs, "b", "1"},
                            {Table::kPlans, "b", "plan"}})
                  .ok());
  ASSERT_TRUE(store
                  ->Commit({{Table::kJobs, "b", std::nullopt},
                            {Table::kJobs, "never", std::nullopt}})
                  .ok());
  const std::vector<Row> rows = Rows(*store);
  ASSERT_THAT(rows, SizeIs(2));
  EXPECT_EQ(rows[0].value, "2");
  EXPECT_EQ(rows[1].table, Table::kPlans);
}

TEST_P(StateStoreTest, SecondOwnerIsRefusedWhileTheFirstLives) {
  auto first = Open();
  ASSERT_TRUE(first->Commit({{Table::kJobs, "a", "1"}}).ok());
  auto second = open_("uid-2");
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition)
      << second.status();
  ASSERT_TRUE(first->Commit({{Table::kJobs, "a", "2"}}).ok());
  const int64_t epoch = first->identity().epoch;
  first.reset();
  EXPECT_EQ(Open()->identity().epoch, epoch + 1);
}

INSTANTIATE_TEST_SUITE_P(
    All, StateStoreTest,
    testing::Values(Backend{"Memory",
                            [](const std::string&) -> Opener {
                              auto disk = std::make_shared<MemoryDisk>();
                              return [disk](const std::string& uid) {
                                return OpenMemoryStore(disk, uid);
                              };
                            }},
                    Backend{"Sqlite",
                            [](const std::string& directory) -> Opener {
                              return [directory](const std::string& uid) {
                                return OpenSqliteStore(directory, uid);
                              };
                            }}),
    [](const auto& instance) { return instance.param.name; });

// A disk that is full: the limit on file sizes makes writes fail alike.
TEST(SqliteStoreTest, FailedCommitLeavesTheStoreUsableAndUnchanged) {
  std::string pattern = testing::TempDir() + "/full-XXXXXX";
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  auto store = OpenSqliteStore(pattern, "uid");
  ASSERT_TRUE(store.ok()) << store.status();
  ASSERT_TRUE((*store)->Commit({{Table::kJobs, "a", "kept"}}).ok());

  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = before;
  small.rlim_cur = 1 << 20;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status full =
      (*store)->Commit({{Table::kJobs, "a", "lost"},
                        {Table::kJobs, "b", std::string(8 << 20, 'x')}});
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);

  EXPECT_EQ(full.code(), absl::StatusCode::kUnavailable) << full;
  const std::vector<Row> rows = Rows(**store);
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].value, "kept");
  EXPECT_TRUE((*store)->Commit({{Table::kJobs, "b", "now"}}).ok());
  std::filesystem::remove_all(pattern);
}

TEST(SqliteStoreTest, FolderThatCannotBeMadeIsNamed) {
  const auto store = OpenSqliteStore("/dev/null/state", "uid");
  EXPECT_EQ(store.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(store.status().message(), HasSubstr("/dev/null/state"));
}

}  // namespace
}  // namespace autotp::store
