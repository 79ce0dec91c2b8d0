// Goal: what a user types becomes the right JobSpec; mistakes are named.
// Method: flags through CLI11, job files through real files.
#include "client/cli/job_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_dir.h"

namespace autotp::cli {
namespace {

using ::testing::HasSubstr;

class JobRequestTest : public ::testing::Test {
 protected:
  JobRequestTest() : config_(folder_ / "ds.json") {
    std::ofstream(config_) << "{\"train_batch_size\": 8}";
  }
  JobRequest Minimal() const {
    JobRequest request;
    request.model = "relative/model";
    request.config = config_;
    return request;
  }

  testing::TempDir folder_;
  std::string config_;
};

TEST_F(JobRequestTest, FlagsFillTheSpec) {
  JobRequest request;
  CLI::App app;
  AddJobFlags(app, request, "--output", /*required=*/true);
  app.parse("--model /m --data /d.bin --config " + config_ +
                " --slots 4 --sequence-length 32 --max-steps 8 --output /out"
                " --seed 7 --no-shuffle --token-dtype u32 --init random"
                " --checkpoint-every 3 --resume --export-dtype bf16"
                " --sequence-parallel",
            /*program_name_included=*/false);
  const auto spec = ToJobSpec(request);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->config_json(), "{\"train_batch_size\": 8}");
  EXPECT_EQ(spec->model().initialization(),
            v1::ModelSource::INITIALIZATION_RANDOM);
  EXPECT_FALSE(spec->data().shuffle());
  EXPECT_EQ(spec->data().token_type(), v1::DataSource::TOKEN_TYPE_UINT32);
  EXPECT_EQ(spec->world_size(), 4);
  EXPECT_EQ(spec->run().seed(), 7u);
  EXPECT_EQ(spec->run().export_dtype(), v1::DATA_TYPE_BFLOAT16);
  EXPECT_EQ(spec->checkpoint().every_steps(), 3);
  EXPECT_TRUE(spec->checkpoint().resume());
  EXPECT_TRUE(spec->run().sequence_parallel());
}

TEST_F(JobRequestTest, EvaluationAndTargetAreRunSettings) {
  JobRequest request = Minimal();
  const auto plain = ToJobSpec(request);
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_FALSE(plain->run().has_evaluation());
  EXPECT_EQ(plain->run().target_loss(), 0);

  CLI::App app;
  AddJobFlags(app, request, "--output", /*required=*/false);
  app.parse(
      "--token-dtype u32 --eval-data held.bin --eval-every 10"
      " --eval-sequences 64 --target-loss 2.5",
      /*program_name_included=*/false);
  const auto spec = ToJobSpec(request);
  ASSERT_TRUE(spec.ok()) << spec.status();
  const v1::EvaluationSettings& evaluation = spec->run().evaluation();
  EXPECT_EQ(evaluation.data().path().front(), '/');
  EXPECT_THAT(evaluation.data().path(), HasSubstr("held.bin"));
  EXPECT_EQ(evaluation.data().token_type(), v1::DataSource::TOKEN_TYPE_UINT32);
  EXPECT_EQ(evaluation.every_steps(), 10);
  EXPECT_EQ(evaluation.max_sequences(), 64);
  EXPECT_EQ(spec->run().target_loss(), 2.5);
}

// The coordinator says what is missing.
TEST_F(JobRequestTest, AnEvaluationWithoutDataIsNotForgotten) {
  JobRequest request = Minimal();
  request.eval_every = 5;
  const auto spec = ToJobSpec(request);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_TRUE(spec->run().has_evaluation());
}

TEST_F(JobRequestTest, SeveralFilesHaveWeights) {
  JobRequest request;
  CLI::App app;
  AddJobFlags(app, request, "--output", /*required=*/false);
  app.parse("--model /m --config " + config_ +
                " --data /a.bin=0.7 --data /b=x.jsonl=0.3 --data /c=d.npy"
                " --pack-documents --separator 0",
            /*program_name_included=*/false);
  const auto spec = ToJobSpec(request);
  ASSERT_TRUE(spec.ok()) << spec.status();
  const v1::DataSource& data = spec->data();
  EXPECT_EQ(data.path(), "");
  ASSERT_EQ(data.files_size(), 3);
  EXPECT_EQ(data.files(0).path(), "/a.bin");
  EXPECT_EQ(data.files(0).weight(), 0.7);
  EXPECT_EQ(data.files(1).path(), "/b=x.jsonl");
  EXPECT_EQ(data.files(1).weight(), 0.3);
  EXPECT_EQ(data.files(2).path(), "/c=d.npy");
  EXPECT_EQ(data.files(2).weight(), 0);
  EXPECT_TRUE(data.pack_documents());
  EXPECT_TRUE(data.has_separator());
  EXPECT_EQ(data.separator(), 0);
}

TEST_F(JobRequestTest, AJobFilesDataIsAPathOrAListOfThem) {
  for (const char* data : {R"("/a.bin")", R"(["/a.bin", "/b.bin=2"])"}) {
    const std::string path = folder_ / "job.json";
    std::ofstream(path) << R"({"data": )" << data << "}";
    JobRequest request;
    ASSERT_TRUE(ReadJobFile(path, request).ok()) << data;
    EXPECT_EQ(request.data[0], "/a.bin");
  }
  std::ofstream(folder_ / "bad.json") << R"({"data": 3})";
  JobRequest request;
  EXPECT_FALSE(ReadJobFile(folder_ / "bad.json", request).ok());
}

TEST_F(JobRequestTest, ASeparatorIsNoNegativeNumber) {
  JobRequest request = Minimal();
  request.separator = -2;
  EXPECT_THAT(std::string(ToJobSpec(request).status().message()),
              HasSubstr("separator: -2"));
}

TEST_F(JobRequestTest, NoDecayTakesPatterns) {
  JobRequest request = Minimal();
  CLI::App app;
  AddNoDecayFlag(app, request);
  app.parse("--no-decay .*norm --no-decay .*bias",
            /*program_name_included=*/false);
  const auto spec = ToJobSpec(request);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_THAT(spec->run().undecayed_parameters(),
              ::testing::ElementsAre(".*norm", ".*bias"));
  const std::string path = folder_ / "job.json";
  std::ofstream(path) << R"({"no_decay": [".*norm"]})";
  ASSERT_TRUE(ReadJobFile(path, request).ok());
  EXPECT_THAT(request.no_decay, ::testing::ElementsAre(".*norm"));
  std::ofstream(path) << R"({"no_decay": [1]})";
  EXPECT_THAT(std::string(ReadJobFile(path, request).message()),
              HasSubstr("\"no_decay\" is no list of texts"));
}

TEST_F(JobRequestTest, PathsBecomeAbsolute) {
  const auto spec = ToJobSpec(Minimal());
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->model().path().front(), '/');
  EXPECT_THAT(spec->model().path(), HasSubstr("relative/model"));
}

TEST_F(JobRequestTest, AMissingConfigIsNamed) {
  JobRequest request = Minimal();
  request.config = folder_ / "nowhere.json";
  EXPECT_THAT(std::string(ToJobSpec(request).status().message()),
              HasSubstr("nowhere.json"));
}

TEST_F(JobRequestTest, AJobFileFillsTheRequest) {
  const std::string path = folder_ / "job.json";
  std::ofstream(path) << R"({"model": "/m", "slots": 2, "no_shuffle": true,
                               "target_loss": 2, "eval_every": 3,
                               "sequence_parallel": true})";
  JobRequest request;
  ASSERT_TRUE(ReadJobFile(path, request).ok());
  EXPECT_EQ(request.model, "/m");
  EXPECT_EQ(request.slots, 2);
  EXPECT_TRUE(request.no_shuffle);
  EXPECT_EQ(request.target_loss, 2.0);
  EXPECT_EQ(request.eval_every, 3);
  EXPECT_TRUE(request.sequence_parallel);
}

TEST_F(JobRequestTest, AJobFilesMistakesAreNamed) {
  const std::string path = folder_ / "job.json";
  JobRequest request;
  for (const auto& [text, expected] :
       {std::pair(R"({"slot": 2})", "slot"),
        std::pair(R"({"slots": "2"})", "wrong type"),
        std::pair("[]", "not a JSON object"), std::pair("{", "not a JSON")}) {
    std::ofstream(path) << text;
    const absl::Status status = ReadJobFile(path, request);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(expected));
  }
}

}  // namespace
}  // namespace autotp::cli
