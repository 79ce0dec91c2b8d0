#include "worker/collective/shared_segment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "worker/collective/factory.h"
#include "worker/collective/shared_communicator.h"

namespace autotp::collective {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

std::shared_ptr<SharedSegment> MakeSegment(int ranks) {
  const int fd = CreateSharedMemory(ranks).value();
  auto segment = SharedSegment::Map(fd);
  close(fd);
  return segment.value();
}

TEST(SharedSegmentTest, RefusesMoreRanksThanItServes) {
  for (int ranks : {-1, 0, 65}) {
    const auto fd = CreateSharedMemory(ranks);
    EXPECT_EQ(fd.status().code(), StatusCode::kInvalidArgument) << ranks;
  }
}

TEST(SharedSegmentTest, SlotsDoNotOverlapAndFit) {
  for (int ranks : {1, 3, 64}) {
    auto segment = MakeSegment(ranks);
    // Written in full, each with its own value; then all are still there.
    std::vector<std::pair<std::byte*, int64_t>> slots;
    for (int r = 0; r < ranks; ++r) {
      for (int parity : {0, 1}) {
        slots.push_back(
            {segment->input(r, parity), SharedSegment::kInputBytes});
        slots.push_back({segment->result(r, parity), segment->ResultBytes()});
      }
    }
    for (size_t i = 0; i < slots.size(); ++i) {
      std::fill_n(slots[i].first, slots[i].second, std::byte(i % 251));
    }
    for (size_t i = 0; i < slots.size(); ++i) {
      ASSERT_EQ(slots[i].first[0], std::byte(i % 251)) << ranks << " " << i;
      ASSERT_EQ(slots[i].first[slots[i].second - 1], std::byte(i % 251))
          << ranks << " " << i;
    }
    EXPECT_EQ(segment->ranks(), ranks);
    EXPECT_FALSE(segment->aborted());
  }
}

TEST(SharedSegmentTest, RefusesWhatIsNoSegment) {
  const int fd = memfd_create("other", MFD_CLOEXEC);
  ASSERT_EQ(ftruncate(fd, 1 << 20), 0);
  EXPECT_EQ(SharedSegment::Map(fd).status().code(),
            StatusCode::kInvalidArgument);
  AbortSharedMemory(fd);  // and does it no harm
  char byte = 1;
  ASSERT_EQ(pread(fd, &byte, 1, 8), 1);
  EXPECT_EQ(byte, 0);
  close(fd);
  EXPECT_FALSE(SharedSegment::Map(-1).ok());
}

TEST(SharedSegmentTest, FirstReasonStaysAndLongOnesAreCut) {
  auto segment = MakeSegment(2);
  segment->Abort(std::string(10000, 'x'));
  segment->Abort("too late");
  EXPECT_EQ(segment->AbortStatus().code(), StatusCode::kUnavailable);
  EXPECT_THAT(std::string(segment->AbortStatus().message()), HasSubstr("xxx"));
  EXPECT_LT(segment->AbortStatus().message().size(), 300u);
}

TEST(SharedSegmentTest, AgentsAbortWakesAWaitingRank) {
  const int fd = CreateSharedMemory(2).value();
  auto segment = SharedSegment::Map(fd).value();
  absl::Status status;
  std::thread rank([&] {
    status = CreateSharedCommunicator(segment, 0, absl::Seconds(10),
                                      absl::Seconds(10))
                 .status();
  });
  // Joined, and so about to wait.
  while (segment->flag(0).arrivals.load() == 0) std::this_thread::yield();
  AbortSharedMemory(fd);
  rank.join();
  close(fd);
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("a trainer of it has ended"));
}

TEST(SharedSegmentTest, ServesEachRankOnce) {
  auto segment = MakeSegment(1);
  const auto join = [&] {
    return CreateSharedCommunicator(segment, 0, absl::Seconds(1),
                                    absl::Seconds(1));
  };
  EXPECT_TRUE(join().ok());
  EXPECT_EQ(join().status().code(), StatusCode::kAlreadyExists);
}

// With one mapping for all ranks a race detector sees every access.
TEST(SharedSegmentTest, RanksAsThreadsOfOneMapping) {
  constexpr int kRanks = 3;
  constexpr int64_t kCount = 150000;
  auto segment = MakeSegment(kRanks);
  std::vector<std::thread> threads;
  for (int r = 0; r < kRanks; ++r) {
    threads.emplace_back([segment, r] {
      auto c = CreateSharedCommunicator(segment, r, absl::Seconds(10),
                                        absl::Seconds(10))
                   .value();
      std::vector<float> whole(kCount * kRanks), part(kCount);
      for (int round = 0; round < 6; ++round) {
        std::fill(part.begin(), part.end(), static_cast<float>(r + round));
        const Buffer all{whole.data(), kCount * kRanks, ElementType::kFloat32};
        const Buffer own{part.data(), kCount, ElementType::kFloat32};
        const Buffer few{part.data(), 100, ElementType::kFloat32};
        EXPECT_TRUE(c->AllReduce(own, Reduction::kSum)->Wait().ok());
        EXPECT_EQ(part[kCount - 1], 3 + kRanks * round);
        EXPECT_TRUE(c->AllReduce(few, Reduction::kMax)->Wait().ok());
        EXPECT_TRUE(c->AllGather(own, all)->Wait().ok());
        EXPECT_TRUE(c->ReduceScatter(all, own, Reduction::kSum)->Wait().ok());
        EXPECT_EQ(part[5], kRanks * (3 + kRanks * round));
        EXPECT_TRUE(c->Broadcast(own, round % kRanks)->Wait().ok());
        EXPECT_TRUE(c->Barrier().ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace autotp::collective
