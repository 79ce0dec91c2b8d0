// Goal: what a communicator is handed is counted, by kind, group and phase.
#include "worker/collective/traffic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "worker/collective/inline_work.h"

namespace autotp::collective {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Plan = v1::CollectivePlan;

class IdleCommunicator final : public Communicator {
 public:
  explicit IdleCommunicator(int size) : size_(size) {}
  int rank() const override { return 0; }
  int size() const override { return size_; }
  std::string Describe() const override { return "idle"; }
  std::unique_ptr<Work> AllReduce(Buffer, Reduction) override { return Idle(); }
  std::unique_ptr<Work> ReduceScatter(Buffer, Buffer, Reduction) override {
    return Idle();
  }
  std::unique_ptr<Work> AllGather(Buffer, Buffer) override { return Idle(); }
  std::unique_ptr<Work> Broadcast(Buffer, int) override { return Idle(); }
  absl::Status Barrier() override { return absl::OkStatus(); }
  void Abort(const std::string&) override {}

 private:
  static std::unique_ptr<Work> Idle() { return Done(absl::OkStatus()); }
  const int size_;
};

std::vector<std::string> Texts(const std::vector<Plan>& sent) {
  std::vector<std::string> texts;
  for (const Plan& plan : sent) {
    texts.push_back(absl::StrCat(
        Plan::Group_Name(plan.group()), " ", Plan::Kind_Name(plan.kind()), " ",
        plan.phase(), " ", plan.count(), " ", plan.bytes()));
  }
  return texts;
}

TEST(TrafficTest, CountsByKindGroupAndPhase) {
  Traffic traffic;
  const auto tensor = Metered(std::make_unique<IdleCommunicator>(2),
                              Plan::GROUP_TENSOR, &traffic);
  const auto data = Metered(std::make_unique<IdleCommunicator>(4),
                            Plan::GROUP_DATA, &traffic);
  EXPECT_EQ(data->size(), 4);
  EXPECT_EQ(data->Describe(), "idle");
  float floats[8] = {};
  const Buffer whole{floats, 8, ElementType::kFloat32};
  const Buffer part{floats, 2, ElementType::kFloat32};
  const Buffer half{floats, 3, ElementType::kBFloat16};
  for (int micro = 0; micro < 2; ++micro) {
    traffic.Enter(Traffic::Phase::kForward);
    ASSERT_TRUE(tensor->AllReduce(half, Reduction::kSum)->Wait().ok());
    ASSERT_TRUE(tensor->AllReduce(half, Reduction::kMax)->Wait().ok());
    traffic.Enter(Traffic::Phase::kBackward);
    ASSERT_TRUE(tensor->AllGather(part, whole)->Wait().ok());
    // While the backward runs, yet of the step.
    ASSERT_TRUE(data->ReduceScatter(whole, part, Reduction::kSum)->Wait().ok());
  }
  traffic.Enter(Traffic::Phase::kStep);
  ASSERT_TRUE(data->AllGather(part, whole)->Wait().ok());
  ASSERT_TRUE(data->Broadcast(whole, 0)->Wait().ok());
  const std::vector<Plan> sent = traffic.Take(2);
  EXPECT_THAT(Texts(sent),
              ElementsAre("GROUP_TENSOR KIND_ALL_REDUCE forward 2 24",
                          "GROUP_TENSOR KIND_ALL_GATHER backward 1 64",
                          "GROUP_DATA KIND_UNSPECIFIED step 1 32",
                          "GROUP_DATA KIND_ALL_GATHER step 1 32",
                          "GROUP_DATA KIND_REDUCE_SCATTER step 2 64"));
  EXPECT_EQ(TrafficText({sent[0], sent[4]}),
            "tensor group: 2 all-reduces each forward, 24 bytes; data group: "
            "2 reduce-scatters, 64 bytes");
  EXPECT_THAT(traffic.Take(1), IsEmpty());
  EXPECT_EQ(TrafficText({}), "nothing");
}

TEST(TrafficTest, AGroupOfOneIsLeftAlone) {
  Traffic traffic;
  auto alone = std::make_unique<IdleCommunicator>(1);
  Communicator* const before = alone.get();
  EXPECT_EQ(Metered(std::move(alone), Plan::GROUP_DATA, &traffic).get(),
            before);
  EXPECT_EQ(Metered(nullptr, Plan::GROUP_DATA, &traffic), nullptr);
}

}  // namespace
}  // namespace autotp::collective
