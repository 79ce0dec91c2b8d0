// Goal: recomputation changes no bit of what is trained, with dropout, with
// experts, in both types, cut and whole.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"
#include "tests/unit/worker/trainer/model_variant.h"
#include "tests/unit/worker/trainer/rank_threads.h"

namespace autotp::testing {
namespace {

struct RecomputeCase {
  std::string model;
  Layout layout;
  ConfigChanges changes;
};

void PrintTo(const RecomputeCase& c, std::ostream* out) {
  *out << c.model << ", " << c.layout.Describe();
}

std::string Bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

class RecomputeTest : public ::testing::TestWithParam<RecomputeCase> {};

TEST_P(RecomputeTest, ChangesNoBit) {
  const RecomputeCase& c = GetParam();
  const TempDir folder;
  v1::JobSpec spec = VariantJob(c.model, c.layout, c.changes, folder / "job");
  spec.mutable_run()->set_max_steps(4);
  const auto run = [&](v1::Recomputation recomputation,
                       const std::string& name) {
    spec.mutable_run()->set_recomputation(recomputation);
    spec.mutable_run()->set_output_path(folder / name);
    const absl::StatusOr<std::vector<v1::TrainerTask>> tasks = PlanTasks(spec);
    EXPECT_TRUE(tasks.ok()) << tasks.status();
    int regions = 0;
    for (const v1::Node& node : (*tasks)[0].program().nodes())
      regions = std::max(regions, node.recompute_region());
    EXPECT_EQ(regions > 0, recomputation != v1::RECOMPUTATION_NONE);
    WorldResult result = RunWorld(*tasks, {folder / (name + "/c"), {}});
    EXPECT_TRUE(result.FirstError().ok()) << result.FirstError();
    return result;
  };
  const WorldResult none = run(v1::RECOMPUTATION_NONE, "none");
  for (const auto& [recomputation, name] :
       {std::pair(v1::RECOMPUTATION_SELECTIVE, "selective"),
        std::pair(v1::RECOMPUTATION_BLOCK, "block")}) {
    const WorldResult again = run(recomputation, name);
    ASSERT_EQ(again.steps.size(), none.steps.size()) << name;
    for (size_t i = 0; i < none.steps.size(); ++i) {
      EXPECT_EQ(again.steps[i].loss(), none.steps[i].loss())
          << name << ", step " << i + 1;
      EXPECT_EQ(again.steps[i].grad_norm(), none.steps[i].grad_norm())
          << name << ", step " << i + 1;
    }
    EXPECT_EQ(Bytes(folder / (std::string(name) + "/model/model.safetensors")),
              Bytes(folder / "none/model/model.safetensors"))
        << name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Models, RecomputeTest,
    ::testing::Values(
        RecomputeCase{
            "llama", {.micro_batch = 4}, {{"attention_dropout", 0.2}}},
        RecomputeCase{
            "gpt2",
            {.tensor_parallel = 2, .micro_batch = 4},
            {{"attn_pdrop", 0.1}, {"embd_pdrop", 0.1}, {"resid_pdrop", 0.2}}},
        RecomputeCase{
            "llama_bf16",
            {.tensor_parallel = 2, .data_parallel = 2, .zero_stage = 2},
            {{"attention_dropout", 0.2}}},
        RecomputeCase{"olmo2", {.tensor_parallel = 2, .micro_batch = 4}, {}},
        RecomputeCase{"mixtral",
                      {.tensor_parallel = 2, .micro_batch = 4},
                      {{"attention_dropout", 0.2}}},
        RecomputeCase{"qwen2_moe", {.micro_batch = 4}, {}},
        RecomputeCase{"gptj", {.micro_batch = 4}, {{"resid_pdrop", 0.2}}},
        RecomputeCase{
            "deepseek_v3", {.tensor_parallel = 2, .micro_batch = 4}, {}}));

}  // namespace
}  // namespace autotp::testing
