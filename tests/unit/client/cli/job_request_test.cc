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
                " --checkpoint-every 3 --resume --export-dtype bf16",
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
  std::ofstream(path) << R"({"model": "/m", "slots": 2, "no_shuffle": true})";
  JobRequest request;
  ASSERT_TRUE(ReadJobFile(path, request).ok());
  EXPECT_EQ(request.model, "/m");
  EXPECT_EQ(request.slots, 2);
  EXPECT_TRUE(request.no_shuffle);
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
