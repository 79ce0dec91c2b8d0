// planner_testing.h -- a folder of its own with a tiny llama's config.json and
// a token file, and a job over them.
#ifndef AUTOTP_TESTS_UNIT_COORDINATOR_PLANNER_PLANNER_TESTING_H_
#define AUTOTP_TESTS_UNIT_COORDINATOR_PLANNER_PLANNER_TESTING_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "coordinator/planner/planner.h"

namespace autotp::planner {

// Hidden 16, 4 query and 2 key heads of 4, intermediate 24, vocabulary 32.
inline constexpr char kConfigJson[] = R"({
  "architectures": ["LlamaForCausalLM"],
  "hidden_act": "silu", "hidden_size": 16,   "intermediate_size": 24,
  "initializer_range": 0.02,
  "max_position_embeddings": 64,
  "model_type": "llama",
  "num_attention_heads": 4, "num_hidden_layers": 2, "num_key_value_heads": 2,
  "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
  "tie_word_embeddings": false, "torch_dtype": "bfloat16", "vocab_size": 32
}
)";

class PlannerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::temp_directory_path() /
        absl::StrCat(
            "autotp_planner_test_", getpid(), "_",
            ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_ / "model");
    Write("model/config.json", kConfigJson);
    Write("model/tokenizer.json", "{}");
    Write("data.bin", std::string(2 * 8 * 8, '\1'));  // 8 sequences of 8
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const {
    return (folder_ / name).string();
  }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name), std::ios::binary) << text;
  }

  // 2 ranks, tensor parallel, weights drawn at random.
  v1::JobSpec Spec(const std::string& config = R"({"train_batch_size": 4,
      "gradient_accumulation_steps": 2,
      "tensor_parallel": {"autotp_size": 2}})") const {
    v1::JobSpec spec;
    spec.set_config_json(config);
    spec.set_config_name("ds.json");
    spec.set_world_size(2);
    spec.mutable_model()->set_path(Path("model"));
    spec.mutable_model()->set_initialization(
        v1::ModelSource::INITIALIZATION_RANDOM);
    spec.mutable_data()->set_path(Path("data.bin"));
    spec.mutable_run()->set_max_steps(3);
    spec.mutable_run()->set_sequence_length(8);
    spec.mutable_run()->set_output_path(Path("out"));
    return spec;
  }

  static std::vector<std::string> Reasons(
      const PlanResult& result,
      v1::Diagnostic::Severity severity = v1::Diagnostic::SEVERITY_ERROR) {
    std::vector<std::string> reasons;
    for (const v1::Diagnostic& diagnostic : result.diagnostics) {
      if (diagnostic.severity() == severity) {
        reasons.push_back(diagnostic.reason());
      }
    }
    return reasons;
  }

  static std::string Everything(const PlanResult& result) {
    std::string text;
    for (const v1::Diagnostic& diagnostic : result.diagnostics) {
      absl::StrAppend(&text, diagnostic.ShortDebugString(), "\n");
    }
    return text;
  }

  std::filesystem::path folder_;
};

}  // namespace autotp::planner

#endif  // AUTOTP_TESTS_UNIT_COORDINATOR_PLANNER_PLANNER_TESTING_H_
