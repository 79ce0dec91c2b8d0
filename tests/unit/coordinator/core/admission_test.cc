// Goal: a gang gets all of its slots or none, on as few workers as can be, and
// the reason says what is short.
#include "coordinator/core/admission.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"

namespace autotp::core {
namespace {

std::string Seats(const GangDecision& decision) {
  return absl::StrJoin(decision.seats, " ",
                       [](std::string* out, const Seat& seat) {
                         absl::StrAppend(out, seat.worker, ":", seat.slot);
                       });
}

struct Case {
  std::string name;
  GangRequest request;
  std::vector<Offer> offers;
  std::string seats;  // empty: not admitted
  std::string reason;
};

class AdmissionTest : public testing::TestWithParam<Case> {};

TEST_P(AdmissionTest, DecidesAndSaysWhy) {
  const GangDecision decision =
      DecideGang(GetParam().request, GetParam().offers);
  EXPECT_EQ(decision.admitted, !GetParam().seats.empty());
  EXPECT_EQ(Seats(decision), GetParam().seats);
  EXPECT_EQ(decision.reason, GetParam().reason);
}

INSTANTIATE_TEST_SUITE_P(
    Table, AdmissionTest,
    testing::ValuesIn(std::vector<Case>{
        {"NoWorkers",
         {1, 1},
         {},
         "",
         "waiting for 1 slot: 0 free on 0 workers"},
        {"OneSlot",
         {1, 1},
         {{"a", "cpu", {0}}},
         "a:0",
         "has its 1 slots (cpu)"},
        {"TooFewSlots",
         {4, 1},
         {{"a", "cpu", {0, 1}}, {"b", "cpu", {3}}},
         "",
         "waiting for 4 slots: 3 free on 2 workers"},
        {"NeverHalfAGang",
         {3, 1},
         {{"a", "cpu", {0, 1}}},
         "",
         "waiting for 3 slots: 2 free on 1 worker"},
        {"GroupStaysOnOneWorker",
         {2, 2},
         {{"a", "cpu", {0}}, {"b", "cpu", {0}}},
         "",
         "waiting for 2 slots in groups of 2 on one worker: 2 free on 2 "
         "workers, room for 0 groups"},
        {"GroupsOnSeveralWorkers",
         {4, 2},
         {{"a", "cpu", {0, 1, 2}}, {"b", "cpu", {4, 5}}},
         "a:0 a:1 b:4 b:5",
         "has its 4 slots (cpu)"},
        {"FullestThatFitsFirst",
         {2, 1},
         {{"a", "cpu", {0, 1, 2, 3}},
          {"b", "cpu", {0, 1, 2}},
          {"c", "cpu", {0}}},
         "b:0 b:1",
         "has its 2 slots (cpu)"},
        {"FewWorkersWhenNoneHoldsAll",
         {5, 1},
         {{"a", "cpu", {0}}, {"b", "cpu", {0, 1, 2}}, {"c", "cpu", {0, 1}}},
         "b:0 b:1 b:2 c:0 c:1",
         "has its 5 slots (cpu)"},
        {"EqualOffersByName",
         {1, 1},
         {{"b", "cpu", {0}}, {"a", "cpu", {0}}},
         "a:0",
         "has its 1 slots (cpu)"},
        {"DevicesAreNotMixed",
         {2, 1},
         {{"a", "cpu", {0}}, {"b", "cuda", {0}}},
         "",
         "waiting for 2 slots: 2 free on 2 workers, but not of one device"},
        {"GpusFirst",
         {1, 1},
         {{"a", "cpu", {0}}, {"b", "cuda", {0}}},
         "b:0",
         "has its 1 slots (cuda)"},
        {"CpuWhenTheGpusAreTooFew",
         {2, 1},
         {{"a", "cpu", {0, 1}}, {"b", "cuda", {0}}},
         "a:0 a:1",
         "has its 2 slots (cpu)"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(AdmissionDeathTest, TensorParallelSizeDividesTheWorld) {
  EXPECT_DEATH(DecideGang({3, 2}, {}), "world_size");
}

}  // namespace
}  // namespace autotp::core
