#include "coordinator/planner/run_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "coordinator/planner/data_check.h"
#include "tests/unit/coordinator/planner/planner_testing.h"

namespace autotp::planner {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RunSettingsTest : public PlannerTest {
 protected:
  static std::vector<std::string> Check(const v1::JobSpec& spec,
                                        int64_t batch = 4) {
    config::Diagnostics diagnostics;
    CheckRunSettings(spec, batch, &diagnostics);
    std::vector<std::string> reasons;
    for (const v1::Diagnostic& diagnostic : diagnostics.all()) {
      reasons.push_back(diagnostic.reason());
    }
    return reasons;
  }
};

TEST_F(RunSettingsTest, EachMistakeHasItsReason) {
  EXPECT_THAT(Check(Spec()), IsEmpty());
  struct Case {
    std::string reason;
    std::function<void(v1::JobSpec&)> spoil;
  };
  Write("file", "");
  for (const Case& c : std::vector<Case>{{"MAX_STEPS_INVALID",
                                          [](v1::JobSpec& s) {
                                            s.mutable_run()->set_max_steps(-1);
                                          }},
                                         {"SEQUENCE_LENGTH_INVALID",
                                          [](v1::JobSpec& s) {
                                            s.mutable_run()
                                                ->set_sequence_length(0);
                                          }},
                                         {"CHECKPOINT_POLICY_INVALID",
                                          [](v1::JobSpec& s) {
                                            s.mutable_checkpoint()
                                                ->set_every_steps(-1);
                                          }},
                                         {"OUTPUT_MISSING",
                                          [](v1::JobSpec& s) {
                                            s.mutable_run()
                                                ->clear_output_path();
                                          }},
                                         {"OUTPUT_PATH_RELATIVE",
                                          [](v1::JobSpec& s) {
                                            s.mutable_run()->set_output_path(
                                                "out");
                                          }},
                                         {"OUTPUT_NOT_WRITABLE",
                                          [this](v1::JobSpec& s) {
                                            s.mutable_run()->set_output_path(
                                                Path("file/out"));
                                          }},
                                         {"DATA_MISSING",
                                          [](v1::JobSpec& s) {
                                            s.mutable_data()->clear_path();
                                          }},
                                         {"DATA_MISSING",
                                          [this](v1::JobSpec& s) {
                                            s.mutable_data()->set_path(
                                                Path("model"));
                                          }},
                                         {"DATA_PATH_RELATIVE",
                                          [](v1::JobSpec& s) {
                                            s.mutable_data()->set_path(
                                                "data.bin");
                                          }},
                                         {"EVALUATION_DATA_MISSING",
                                          [](v1::JobSpec& s) {
                                            s.mutable_run()
                                                ->mutable_evaluation()
                                                ->set_every_steps(5);
                                          }},
                                         {"EVALUATION_INVALID",
                                          [](v1::JobSpec& s) {
                                            *s.mutable_run()
                                                 ->mutable_evaluation()
                                                 ->mutable_data() = s.data();
                                            s.mutable_run()
                                                ->mutable_evaluation()
                                                ->set_every_steps(-1);
                                          }},
                                         {"EVALUATION_INVALID",
                                          [](v1::JobSpec& s) {
                                            *s.mutable_run()
                                                 ->mutable_evaluation()
                                                 ->mutable_data() = s.data();
                                            s.mutable_run()
                                                ->mutable_evaluation()
                                                ->set_max_sequences(-1);
                                          }},
                                         {"DATA_MISSING",
                                          [this](v1::JobSpec& s) {
                                            s.mutable_run()
                                                ->mutable_evaluation()
                                                ->mutable_data()
                                                ->set_path(
                                                    Path("held_out.bin"));
                                          }},
                                         {"TARGET_LOSS_INVALID",
                                          [](v1::JobSpec& s) {
                                            s.mutable_run()->set_target_loss(
                                                -1);
                                          }},
                                         {"TARGET_LOSS_INVALID",
                                          [](v1::JobSpec& s) {
                                            s.mutable_run()->set_target_loss(
                                                NAN);
                                          }},
                                         {"DATA_SEPARATOR_MISSING",
                                          [](v1::JobSpec& s) {
                                            s.mutable_data()
                                                ->set_pack_documents(true);
                                          }},
                                         {"DATA_SEPARATOR_UNUSED",
                                          [](v1::JobSpec& s) {
                                            s.mutable_data()->set_separator(3);
                                          }},
                                         {"DATA_WEIGHT_INVALID",
                                          [](v1::JobSpec& s) {
                                            const std::string path =
                                                s.data().path();
                                            s.mutable_data()
                                                ->add_files()
                                                ->set_path(path);
                                            v1::DataFile* file =
                                                s.mutable_data()->add_files();
                                            file->set_path(path);
                                            file->set_weight(-1);
                                            s.mutable_data()
                                                ->mutable_files(0)
                                                ->set_weight(1);
                                          }},
                                         {"DATA_TOO_SHORT", [](v1::JobSpec& s) {
                                            s.mutable_run()
                                                ->set_sequence_length(17);
                                          }}}) {
    v1::JobSpec spec = Spec();
    c.spoil(spec);
    EXPECT_THAT(Check(spec), ElementsAre(c.reason));
  }
}

TEST_F(RunSettingsTest, OneHeldOutSequenceIsEnough) {
  v1::JobSpec spec = Spec();
  Write("held_out.bin",
        std::string(2 * static_cast<size_t>(spec.run().sequence_length()), 1));
  spec.mutable_run()->mutable_evaluation()->mutable_data()->set_path(
      Path("held_out.bin"));
  EXPECT_THAT(Check(spec), IsEmpty());
  Write("held_out.bin", "1");
  EXPECT_THAT(Check(spec), ElementsAre("DATA_TOO_SHORT"));
}

TEST_F(RunSettingsTest, OneBatchIsEnough) {
  EXPECT_THAT(Check(Spec(), 8), IsEmpty());
  EXPECT_THAT(Check(Spec(), 9), ElementsAre("DATA_TOO_SHORT"));
  v1::JobSpec wide = Spec();
  wide.mutable_data()->set_token_type(v1::DataSource::TOKEN_TYPE_UINT32);
  EXPECT_THAT(Check(wide, 4), IsEmpty());
  EXPECT_THAT(Check(wide, 5), ElementsAre("DATA_TOO_SHORT"));
}

TEST_F(RunSettingsTest, JsonLinesAreCounted) {
  Write("data.jsonl", "{\"input_ids\": [1]}\n\n{\"input_ids\": [1]}");
  v1::JobSpec spec = Spec();
  spec.mutable_data()->set_path(Path("data.jsonl"));
  EXPECT_THAT(Check(spec, 2), IsEmpty());
  EXPECT_THAT(Check(spec, 3), ElementsAre("DATA_TOO_SHORT"));
}

TEST_F(RunSettingsTest, SeveralFilesNeedASequenceEach) {
  v1::JobSpec spec = Spec();
  const std::string path = spec.data().path();
  spec.mutable_data()->clear_path();
  spec.mutable_data()->add_files()->set_path(path);
  spec.mutable_data()->add_files()->set_path(path);
  EXPECT_THAT(Check(spec, 1000), IsEmpty());
  spec.mutable_data()->mutable_files(1)->set_path(Path("absent.bin"));
  EXPECT_THAT(Check(spec), ElementsAre("DATA_MISSING"));
}

TEST_F(RunSettingsTest, MegatronByItsPrefix) {
  Write("tokens.bin", std::string(64, '\0'));
  Write("tokens.idx", "MMIDIDX");
  v1::JobSpec spec = Spec();
  for (const char* name : {"tokens", "tokens.idx", "tokens.bin"}) {
    spec.mutable_data()->set_path(Path(name));
    EXPECT_THAT(Check(spec, 1), IsEmpty()) << name;
  }
}

TEST_F(RunSettingsTest, WhyNotWritableNamesThePart) {
  EXPECT_EQ(WhyNotWritable(Path("a/b/c")), "");
  Write("file", "");
  EXPECT_THAT(WhyNotWritable(Path("file/a/b")), HasSubstr("is not a folder"));
}

TEST_F(RunSettingsTest, LongSequencesWarn) {
  config::Diagnostics diagnostics;
  CheckSequenceLimit(65, 64, "config.json", &diagnostics);
  ASSERT_EQ(diagnostics.all().size(), 1u);
  EXPECT_EQ(diagnostics.all()[0].severity(), v1::Diagnostic::SEVERITY_WARNING);
  CheckSequenceLimit(64, 64, "config.json", &diagnostics);
  CheckSequenceLimit(65, 0, "config.json", &diagnostics);
  EXPECT_EQ(diagnostics.all().size(), 1u);
}

}  // namespace
}  // namespace autotp::planner
