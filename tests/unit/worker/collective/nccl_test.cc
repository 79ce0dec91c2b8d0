// How NCCL's life is led, against the fake: what the conformance tests do not
// reach.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <thread>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "tests/unit/worker/collective/fake_nccl.h"
#include "tests/unit/worker/collective/shared_key_store.h"
#include "tests/unit/worker/collective/world.h"

namespace autotp::collective {
namespace {

using absl::StatusCode;
using testing::AnyOf;
using testing::HasSubstr;

constexpr World kTwo{v1::ProcessGroup::BACKEND_NCCL, RanksAre::kThreads, 2};

Buffer FloatsIn(std::vector<float>& data) {
  return {data.data(), static_cast<int64_t>(data.size()),
          ElementType::kFloat32};
}

class NcclTest : public testing::Test {
 protected:
  // Whatever happened, nothing of NCCL is left over.
  void TearDown() override { EXPECT_EQ(LiveCommunicators(), 0); }
};

TEST_F(NcclTest, WaitHoldsTheStreamNotTheHost) {
  std::latch first_has_waited(1);
  const auto statuses = RunRanks(
      kTwo,
      [&](Communicator& c) -> absl::Status {
        std::vector<float> data(100, c.rank() + 1.0f);
        if (c.rank() == 1) first_has_waited.wait();
        auto work = c.AllReduce(FloatsIn(data), Reduction::kSum);
        AUTOTP_RETURN_IF_ERROR(work->Wait());
        if (c.rank() == 0) {  // the other has not even called
          AUTOTP_RETURN_IF_ERROR(Expect(data[0] == 1.0f, "came too early"));
          first_has_waited.count_down();
        }
        AUTOTP_RETURN_IF_ERROR(Expect(SynchronizeFake(), "hangs"));
        return Expect(data[99] == 3.0f, absl::StrCat("sum ", data[99]));
      },
      OptionsFor(kTwo));
  EXPECT_TRUE(statuses[0].ok()) << statuses[0];
  EXPECT_TRUE(statuses[1].ok()) << statuses[1];
}

TEST_F(NcclTest, WorkThatWasNeverWaitedForEndsWithTheCommunicator) {
  std::vector<float> data[2] = {std::vector<float>(9, 1), {}};
  data[1].assign(9, 2);
  const auto statuses = RunRanks(
      kTwo,
      [&](Communicator& c) -> absl::Status {
        c.AllReduce(FloatsIn(data[c.rank()]), Reduction::kSum);
        return absl::OkStatus();
      },
      OptionsFor(kTwo));
  EXPECT_TRUE(statuses[0].ok() && statuses[1].ok());
  EXPECT_EQ(data[0][8], 3);
  EXPECT_EQ(data[1][8], 3);
}

TEST_F(NcclTest, StuckInitMeetsTheDeadline) {
  InjectFault(1, kFakeStuckInit);
  GroupOptions options = OptionsFor(kTwo);
  options.form_timeout = absl::Milliseconds(100);
  for (const absl::Status& status : RunRanks(
           kTwo, [](Communicator&) { return absl::OkStatus(); }, options)) {
    EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded) << status;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("while it formed the group"));
  }
}

// What becomes of both ranks if rank 1's next collective has `fault`.
std::vector<absl::Status> RunWithFault(FakeNcclFault fault) {
  GroupOptions options = OptionsFor(kTwo);
  options.call_timeout = absl::Milliseconds(200);
  std::latch injected(1);
  return RunRanks(
      kTwo,
      [&](Communicator& c) -> absl::Status {
        AUTOTP_RETURN_IF_ERROR(c.Barrier());
        if (c.rank() == 1) {
          InjectFault(1, fault);
          injected.count_down();
        }
        injected.wait();
        std::vector<float> data(10);
        const absl::Status status =
            Finish(c, c.AllReduce(FloatsIn(data), Reduction::kSum));
        const absl::Status later = c.Barrier();
        AUTOTP_RETURN_IF_ERROR(
            Expect(later == status && c.Health() == status,
                   absl::StrCat("first ", status.ToString(), ", later ",
                                later.ToString())));
        return status;
      },
      options);
}

TEST_F(NcclTest, FailingCallKillsTheGroup) {
  const auto statuses = RunWithFault(kFakeCallFails);
  EXPECT_EQ(statuses[1].code(), StatusCode::kUnavailable) << statuses[1];
  EXPECT_THAT(std::string(statuses[1].message()),
              HasSubstr("when it started a call: fake internal error"));
  EXPECT_EQ(statuses[0].code(), StatusCode::kUnavailable) << statuses[0];
}

TEST_F(NcclTest, AsynchronousErrorIsFoundByTheMonitor) {
  const auto statuses = RunWithFault(kFakeAsyncError);
  EXPECT_EQ(statuses[1].code(), StatusCode::kUnavailable) << statuses[1];
  EXPECT_THAT(std::string(statuses[1].message()),
              HasSubstr("fake system error"));
  EXPECT_EQ(statuses[0].code(), StatusCode::kUnavailable) << statuses[0];
  EXPECT_THAT(std::string(statuses[0].message()),
              HasSubstr("fake remote error"));
}

TEST_F(NcclTest, StuckCallMeetsTheDeadline) {
  const auto statuses = RunWithFault(kFakeStuckCall);
  for (const absl::Status& status : statuses) {
    EXPECT_THAT(status.code(),
                AnyOf(StatusCode::kDeadlineExceeded, StatusCode::kUnavailable))
        << status;
  }
  EXPECT_TRUE(statuses[0].code() == StatusCode::kDeadlineExceeded ||
              statuses[1].code() == StatusCode::kDeadlineExceeded);
}

TEST_F(NcclTest, SplitsAParentIntoItsColors) {
  constexpr World kFour{v1::ProcessGroup::BACKEND_NCCL, RanksAre::kThreads, 4};
  const auto statuses = RunRanks(
      kFour,
      [&](Communicator& world) -> absl::Status {
        // Even and odd ranks, each in reversed order; no keys are needed.
        v1::ProcessGroup group;
        group.set_name("dp");
        group.set_key("dp");
        group.set_backend(v1::ProcessGroup::BACKEND_NCCL);
        const int parity = world.rank() % 2;
        group.add_ranks(2 + parity);
        group.add_ranks(parity);
        SharedKeyStore no_keys;
        GroupOptions options = OptionsFor(kFour);
        options.parent = &world;
        AUTOTP_ASSIGN_OR_RETURN(
            auto c, CreateCommunicator(group, world.rank(), no_keys, options));
        AUTOTP_RETURN_IF_ERROR(
            Expect(c->rank() == 1 - world.rank() / 2, c->Describe()));
        std::vector<float> ranks(2);
        float mine = static_cast<float>(world.rank());
        AUTOTP_RETURN_IF_ERROR(Finish(
            *c,
            c->AllGather({&mine, 1, ElementType::kFloat32}, FloatsIn(ranks))));
        return Expect(ranks[0] == 2 + parity && ranks[1] == parity,
                      absl::StrCat(ranks[0], ", ", ranks[1]));
      },
      OptionsFor(kFour));
  for (const absl::Status& status : statuses)
    EXPECT_TRUE(status.ok()) << status;
}

TEST_F(NcclTest, MissingLibraryIsSaid) {
  GroupOptions options = OptionsFor(kTwo);
  options.nccl_library = "libnccl-that-is-not-there.so.2";
  for (const absl::Status& status : RunRanks(
           kTwo, [](Communicator&) { return absl::OkStatus(); }, options)) {
    EXPECT_EQ(status.code(), StatusCode::kUnimplemented) << status;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("libnccl-that-is-not-there.so.2"));
  }
}

}  // namespace
}  // namespace autotp::collective
