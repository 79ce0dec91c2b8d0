// A job that asks for sequence parallelism: its plan, and what is said.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/unit/coordinator/planner/planner_testing.h"

namespace autotp::planner {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

class SequenceParallelPlanTest : public PlannerTest {
 protected:
  v1::JobSpec CutSpec() const {
    v1::JobSpec spec = Spec();
    spec.mutable_run()->set_sequence_parallel(true);
    return spec;
  }

  static std::string Message(const PlanResult& result,
                             const std::string& reason) {
    for (const v1::Diagnostic& diagnostic : result.diagnostics)
      if (diagnostic.reason() == reason) return diagnostic.message();
    return "";
  }
};

TEST_F(SequenceParallelPlanTest, ScattersAndGathersInPlaceOfSums) {
  const PlanResult result = MakePlan(CutSpec(), {});
  ASSERT_TRUE(result.valid) << Everything(result);
  std::vector<std::string> found;
  for (const v1::CollectivePlan& use : result.planned.plan().collectives()) {
    found.push_back(absl::StrCat(v1::CollectivePlan::Kind_Name(use.kind()), " ",
                                 use.phase(), " ", use.count(), " ",
                                 use.bytes()));
  }
  // Two layers: 2 in each, and one of the embedding or the head. Payloads are
  // those of an all-reduce, micro 2 x 8 tokens x 16 numbers in fp32, twice a
  // step; of the five norms all ranks sum the gradients, in whole shards.
  const int64_t payload = 5 * 2 * 8 * 16 * 4 * 2;
  EXPECT_THAT(found,
              UnorderedElementsAre(
                  absl::StrCat("KIND_REDUCE_SCATTER forward 5 ", payload),
                  absl::StrCat("KIND_ALL_GATHER forward 5 ", payload),
                  absl::StrCat("KIND_REDUCE_SCATTER backward 5 ", payload),
                  absl::StrCat("KIND_ALL_GATHER backward 5 ", payload),
                  absl::StrCat("KIND_LOSS forward 2 ", 3 * 16 * 4 * 2),
                  absl::StrCat("KIND_GRADIENT_SUM step 1 ", 5 * 16 * 4)));
  EXPECT_THAT(Reasons(result, v1::Diagnostic::SEVERITY_WARNING), IsEmpty());
}

TEST_F(SequenceParallelPlanTest, ActivationsShrinkAndTheNoteSaysFromWhat) {
  const PlanResult whole = MakePlan(Spec(), {});
  const PlanResult cut = MakePlan(CutSpec(), {});
  const int64_t before = whole.planned.plan().estimate().activation_bytes();
  const int64_t after = cut.planned.plan().estimate().activation_bytes();
  EXPECT_LT(after, before);
  EXPECT_NE(cut.planned.plan().digest(), whole.planned.plan().digest());
  EXPECT_EQ(Message(cut, "SEQUENCE_PARALLEL"),
            absl::StrCat("activations between blocks are cut by tokens, "
                         "8 = 2 x 4; at the peak ",
                         after, " bytes of activations per rank instead of ",
                         before));
  EXPECT_EQ(Message(whole, "SEQUENCE_PARALLEL"), "");
}

TEST_F(SequenceParallelPlanTest, UnevenTokensAreToldWithWhatIsEven) {
  v1::JobSpec spec = CutSpec();
  spec.mutable_run()->set_sequence_length(7);
  const PlanResult result = MakePlan(spec, {});
  ASSERT_TRUE(result.valid) << Everything(result);
  EXPECT_THAT(Message(result, "SEQUENCE_PARALLEL"), HasSubstr("7 = 4 + 3"));
}

TEST_F(SequenceParallelPlanTest, OneRankHasNothingToCut) {
  v1::JobSpec spec = CutSpec();
  spec.set_config_json(R"({"train_batch_size": 4})");
  const PlanResult result = MakePlan(spec, {});
  ASSERT_TRUE(result.valid) << Everything(result);
  EXPECT_THAT(Reasons(result, v1::Diagnostic::SEVERITY_NOTE),
              Contains("SEQUENCE_PARALLEL_NO_EFFECT"));
  EXPECT_THAT(Reasons(result, v1::Diagnostic::SEVERITY_NOTE),
              Not(Contains("SEQUENCE_PARALLEL")));
}

}  // namespace
}  // namespace autotp::planner
