// Goal: a plan's estimate is what a run then sends and holds.
// Method: jobs of several families, shapes and layouts run for two steps, each
// rank a thread; communicators and flat buffers count exactly, and the
// tensors' allocator measures activations.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "coordinator/planner/planner.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tensor_memory.h"
#include "tests/support/trace.h"
#include "tests/unit/worker/trainer/rank_threads.h"

namespace autotp::testing {
namespace {

using Collective = v1::CollectivePlan;
using nlohmann::json;

struct Case {
  std::string model;
  Layout layout;
  // Members of config.json and of the DeepSpeed JSON instead of the model's
  // own; then the weights are drawn at random.
  json model_changes = json::object();
  json config_changes = json::object();
  int64_t sequence_length = 0;  // 0: the trace's
  bool sequence_parallel = false;
  v1::Recomputation recomputation = v1::RECOMPUTATION_NONE;
};

std::string Describe(const Case& c) {
  std::string text = absl::StrCat(c.model, ", ", c.layout.Describe());
  if (c.sequence_parallel) absl::StrAppend(&text, ", sequence-parallel");
  if (c.recomputation != v1::RECOMPUTATION_NONE)
    absl::StrAppend(&text, ", ", v1::Recomputation_Name(c.recomputation));
  for (const json* changes : {&c.model_changes, &c.config_changes})
    if (!changes->empty()) absl::StrAppend(&text, ", ", changes->dump());
  return text;
}

void PrintTo(const Case& c, std::ostream* out) { *out << Describe(c); }

v1::JobSpec JobOf(const Case& c, const TempDir& folder) {
  const Trace trace = LoadTrace(c.model);
  v1::JobSpec spec = TraceJob(trace, c.layout, folder / "out");
  spec.mutable_run()->set_max_steps(2);
  spec.mutable_run()->set_sequence_parallel(c.sequence_parallel);
  spec.mutable_run()->set_recomputation(c.recomputation);
  if (c.sequence_length > 0)
    spec.mutable_run()->set_sequence_length(c.sequence_length);
  json config = json::parse(spec.config_json());
  config.merge_patch(c.config_changes);
  spec.set_config_json(config.dump());
  if (c.model_changes.empty()) return spec;
  std::ifstream original(spec.model().path() + "/config.json");
  json model = json::parse(original);
  model.merge_patch(c.model_changes);
  std::filesystem::create_directories(folder / "model");
  std::ofstream(folder / "model/config.json") << model.dump();
  spec.mutable_model()->set_path(folder / "model");
  spec.mutable_model()->set_initialization(
      v1::ModelSource::INITIALIZATION_RANDOM);
  return spec;
}

// Count and bytes by group, operation and phase. The loss and sums of partial
// gradients are all-reduces.
using Exchanges = std::map<std::tuple<std::string, std::string, std::string>,
                           std::pair<int64_t, int64_t>>;

template <typename Plans>
Exchanges ByKind(const Plans& plans) {
  Exchanges exchanges;
  for (const Collective& plan : plans) {
    const bool is_sum = plan.kind() == Collective::KIND_LOSS ||
                        plan.kind() == Collective::KIND_GRADIENT_SUM;
    auto& [count, bytes] =
        exchanges[{Collective::Group_Name(plan.group()),
                   Collective::Kind_Name(is_sum ? Collective::KIND_ALL_REDUCE
                                                : plan.kind()),
                   plan.phase()}];
    count += plan.count();
    bytes += plan.bytes();
  }
  return exchanges;
}

// Of the rank that sends most: a plan is for the fullest.
std::vector<Collective> MostSent(const WorldResult& result) {
  const std::vector<Collective>* most = nullptr;
  int64_t most_bytes = -1;
  for (const auto& rank : result.ranks) {
    int64_t bytes = 0;
    for (const Collective& one : rank->measured.sent) bytes += one.bytes();
    if (bytes <= most_bytes) continue;
    most_bytes = bytes;
    most = &rank->measured.sent;
  }
  return *most;
}

class EstimateTest : public ::testing::TestWithParam<Case> {
 protected:
  static void SetUpTestSuite() { MeterTensorMemory(); }
};

TEST_P(EstimateTest, IsWhatARunSendsAndHolds) {
  const Case& c = GetParam();
  SCOPED_TRACE(Describe(c));
  const TempDir folder;
  const v1::JobSpec spec = JobOf(c, folder);
  const planner::PlanResult planned = planner::MakePlan(spec, {});
  const auto tasks = PlanTasks(spec);
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  const v1::Plan& plan = planned.planned.plan();

  // Ranks ask for wishes once a step, after their micro-steps.
  std::mutex mutex;
  int64_t activations = 0;
  const WorldResult result = RunWorld(
      *tasks,
      {folder / "checkpoints", [&](int, int64_t step) -> trainer::Wishes {
         if (step == 1) {
           ForgetTensorPeak();
         } else {
           const std::lock_guard lock(mutex);
           activations = std::max(activations, TensorPeakBytes());
         }
         return {};
       }});
  ASSERT_TRUE(result.FirstError().ok()) << result.FirstError();

  v1::Estimate most;
  for (const auto& rank : result.ranks) {
    const v1::Estimate& held = rank->measured.held;
    const auto take = [&](auto get, auto set) {
      (most.*set)(std::max((most.*get)(), (held.*get)()));
    };
    take(&v1::Estimate::parameter_bytes, &v1::Estimate::set_parameter_bytes);
    take(&v1::Estimate::gradient_bytes, &v1::Estimate::set_gradient_bytes);
    take(&v1::Estimate::optimizer_bytes, &v1::Estimate::set_optimizer_bytes);
    take(&v1::Estimate::buffer_bytes, &v1::Estimate::set_buffer_bytes);
  }
  const v1::Estimate& estimate = plan.estimate();
  EXPECT_EQ(ByKind(MostSent(result)), ByKind(plan.collectives()));
  // The worker counts masters with the weights that they belong to.
  EXPECT_EQ(most.parameter_bytes() + most.optimizer_bytes(),
            estimate.parameter_bytes() + estimate.optimizer_bytes());
  EXPECT_EQ(most.gradient_bytes(), estimate.gradient_bytes());
  EXPECT_EQ(most.buffer_bytes(), estimate.buffer_bytes());
  const double ratio = static_cast<double>(activations) /
                       static_cast<double>(estimate.activation_bytes());
  std::printf("%-90s activations %9ld of %9ld planned: %.3f\n",
              Describe(c).c_str(), static_cast<long>(activations),
              static_cast<long>(estimate.activation_bytes()), ratio);
  EXPECT_NEAR(ratio, 1, 0.1);
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  // Every layout with each accumulation.
  constexpr std::pair<int, int> kSplits[] = {{1, 1}, {2, 1}, {1, 2}, {2, 2}};
  for (const auto& [tp, dp] : kSplits) {
    for (const int stage : {0, 1, 2}) {
      for (const int accumulation : {1, 2}) {
        cases.push_back({"llama",
                         {.tensor_parallel = tp,
                          .data_parallel = dp,
                          .zero_stage = stage,
                          .micro_batch = 8 / dp / accumulation}});
      }
    }
  }
  const Layout both = {.tensor_parallel = 2,
                       .data_parallel = 2,
                       .zero_stage = 2,
                       .micro_batch = 2};
  for (const char* model :
       {"bloom", "cohere", "deepseek_v3", "falcon", "gemma3", "glm4", "gpt2",
        "gpt_neox", "gptj", "mixtral", "mixtral_balance", "olmo2", "opt",
        "phi3", "qwen2_moe", "qwen3", "qwen3_moe", "starcoder2"})
    cases.push_back({model, both});
  // Keys on every rank, uneven shares, half precision.
  cases.push_back({"llama", {.tensor_parallel = 4, .micro_batch = 4}});
  cases.push_back({"qwen3", {.tensor_parallel = 3, .micro_batch = 4}});
  for (const char* model : {"llama_bf16", "qwen3_bf16"}) {
    Layout layout = both;
    layout.zero_stage = 1;
    cases.push_back({model, layout});
  }
  const json bfloat16 = {{"bf16", {{"enabled", true}}}};
  for (const char* model : {"mixtral", "gpt2", "olmo2"})
    cases.push_back({model, both, json::object(), bfloat16});
  for (const char* model : {"llama", "gpt2", "mixtral"}) {
    Case c{model, both};
    c.sequence_parallel = true;
    cases.push_back(c);
  }
  // What is computed again is not held.
  const json many_layers = {{"num_hidden_layers", 6}};
  for (const v1::Recomputation recomputation :
       {v1::RECOMPUTATION_SELECTIVE, v1::RECOMPUTATION_BLOCK}) {
    for (const char* model : {"llama", "llama_bf16", "gpt2", "qwen2_moe"}) {
      Case c{model, both};
      if (std::string(model) == "llama") c.model_changes = many_layers;
      c.recomputation = recomputation;
      cases.push_back(c);
    }
  }
  // Sums in 16 bits.
  const json sums = {{"bf16", {{"enabled", true}}},
                     {"communication_data_type", "bf16"}};
  cases.push_back({"llama", both, json::object(), sums});
  const json float16 = {{"fp16", {{"enabled", true}}}};
  cases.push_back({"llama", both, json::object(), float16});
  // Small buckets and gathers.
  const json buckets = {
      {"zero_optimization",
       {{"reduce_bucket_size", 6000}, {"allgather_bucket_size", 3000}}}};
  for (const int stage : {1, 2}) {
    Layout layout = both;
    layout.zero_stage = stage;
    cases.push_back({"llama", layout, json::object(), buckets});
  }
  // Rules that force gathers, and grains.
  const json gathers = {{"tensor_parallel",
                         {{"partition_config",
                           {{"layer_specs",
                             {{{"patterns", {".*[qkvo]_proj"}}},
                              {{"patterns", {".*(gate|up)_proj"}}}}}}}}}};
  cases.push_back({"llama", both, json::object(), gathers});
  const json grains = {{"tensor_parallel", {{"tp", {{"tp_grain_size", 32}}}}}};
  cases.push_back({"llama", both, json::object(), grains});
  // Shapes with other things at the peak.
  const json wide = {{"hidden_size", 128}, {"intermediate_size", 512}};
  const json deep = {{"num_hidden_layers", 8}, {"vocab_size", 512}};
  const json vocabulary = {{"vocab_size", 4096}};
  for (const json& shape : {wide, deep, vocabulary}) {
    cases.push_back({"llama", both, shape, json::object(), 64});
    cases.push_back({"llama", {.micro_batch = 4}, shape, bfloat16, 64});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Jobs, EstimateTest, ::testing::ValuesIn(Cases()),
                         [](const auto& tested) {
                           return absl::StrCat(tested.param.model, "_",
                                               tested.index);
                         });

}  // namespace
}  // namespace autotp::testing
