// Goal: training at any layout gives the numbers that Transformers and PyTorch
// gave on one device: loss, gradient norm and learning rate of every step, and
// the weights at the end.
// Method: a coordinator and a worker run as real processes; every case of
// tests/golden/models is trained at TP x DP x ZeRO x accumulation and compared
// with its trace. A table of the largest differences is printed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <functional>
#include <numeric>

#include "coordinator/model/huggingface/fused_experts.h"
#include "proto/support/status_macros.h"
#include "tests/support/cluster.h"
#include "tests/support/trace.h"
#include "worker/checkpoint/safetensors_reader.h"
#include "worker/checkpoint/slice.h"

namespace autotp::testing {
namespace {

constexpr absl::Duration kJobTimeout = absl::Seconds(60);

struct Tolerance {
  double loss;       // relative
  double grad_norm;  // relative
  double weight;     // absolute floor
};

// Two right fp32 runs differ by 1e-6 in loss and 2e-6 in norm (the traces'
// own `noise`); one order of magnitude above that is a mistake.
constexpr Tolerance kFloat32 = {
    .loss = 1e-5, .grad_norm = 1e-5, .weight = 1e-5};
// bf16 has 8 bits: rounding one activation moves it by up to 2^-9 = 2e-3
// relative, and the loss is a mean over many. The traces' own noise between
// two right bf16 runs is 3e-3 in loss and 2e-3 in norm; a norm near 2 built
// from bf16 micro-batch gradients adds as much again when their order differs.
constexpr Tolerance kBfloat16 = {
    .loss = 4e-3, .grad_norm = 1e-2, .weight = 3e-2};

// fp16 has 3 bits more than bf16, so an eighth of its tolerances. (The trace's
// own noise between two right runs is 2e-5 in loss and 1.4e-4 in norm.)
constexpr Tolerance kFloat16 = {
    .loss = 5e-4, .grad_norm = 1.25e-3, .weight = 4e-3};

// Which layouts a case is trained at.
enum class Breadth {
  kFull,     // every split x stage x accumulation
  kFamily,   // every split once, stages and accumulation in turn
  kVariant,  // one rank, and both kinds of parallelism together
};

struct Case {
  std::string name;
  Breadth breadth = Breadth::kFull;
  Tolerance tolerance = kFloat32;
  // Masked labels: a micro-batch's mean weighs its own tokens, so the numbers
  // belong to one micro-batch size.
  bool fixed_micro_batch = false;
  // These instead.
  std::vector<Layout> layouts = {};
};

std::vector<Layout> FewLayoutsOf(const Case& c) {
  const Layout one = {.micro_batch = 2};
  const Layout both = {.tensor_parallel = 2,
                       .data_parallel = 2,
                       .zero_stage = 2,
                       .micro_batch = 4};
  if (c.breadth == Breadth::kVariant) return {one, both};
  std::vector<Layout> layouts = {
      one,
      {.tensor_parallel = 2, .micro_batch = 8},
      {.tensor_parallel = 4, .zero_stage = 1, .micro_batch = 4},
      {.data_parallel = 2, .zero_stage = 1, .micro_batch = 2},
      both};
  for (Layout& layout : layouts)
    if (c.fixed_micro_batch) layout.micro_batch = 2;
  return layouts;
}

std::vector<Layout> LayoutsOf(const Case& c, int64_t train_batch_size) {
  if (!c.layouts.empty()) return c.layouts;
  if (c.breadth != Breadth::kFull) return FewLayoutsOf(c);
  constexpr std::pair<int, int> kSplits[] = {
      {1, 1}, {2, 1}, {4, 1}, {1, 2}, {2, 2}};
  std::vector<Layout> layouts;
  for (const auto& [tp, dp] : kSplits) {
    for (int stage : {0, 1, 2}) {
      for (int accumulation : {1, 2}) {
        Layout layout{.tensor_parallel = tp,
                      .data_parallel = dp,
                      .zero_stage = stage,
                      .micro_batch = static_cast<int>(train_batch_size) / dp /
                                     accumulation};
        if (c.fixed_micro_batch) {
          if (accumulation == 2) continue;
          layout.micro_batch = 2;
        }
        layouts.push_back(layout);
      }
    }
  }
  return layouts;
}

double RelativeDifference(double got, double want) {
  return std::abs(got - want) / std::abs(want);
}

// A tensor of the trace by the name that the model's own files have for it:
// they may hold all experts of a layer in one tensor.
absl::Status ReadTensor(checkpoint::SafetensorsFile& file,
                        const TraceTensor& tensor, float* values) {
  if (file.Find(tensor.name).ok())
    return file.Read(tensor.name, checkpoint::Slice{}, values);
  const auto place = model::FindFusedPlace(tensor.name);
  if (!place.has_value()) {
    return file.Read(model::ModernName(tensor.name), checkpoint::Slice{},
                     values);
  }
  AUTOTP_ASSIGN_OR_RETURN(const checkpoint::TensorEntry* fused,
                          file.Find(place->tensor));
  const auto first = model::OffsetIn(*place, fused->shape, tensor.shape);
  if (!first.has_value()) return absl::DataLossError(place->tensor);
  return file.ReadInside(place->tensor, *first, tensor.shape,
                         checkpoint::Slice{}, values);
}

// The largest excess of a weight's difference over what is allowed, as a
// factor: at most 1 is right.
double WeightExcess(const Trace& trace, const std::string& model_path,
                    double floor) {
  auto file =
      checkpoint::SafetensorsFile::Open(model_path + "/model.safetensors");
  EXPECT_TRUE(file.ok()) << file.status();
  if (!file.ok()) return INFINITY;
  double worst = 0;
  for (const TraceTensor& tensor : trace.final_tensors) {
    if (!(*file)->Find(tensor.name).ok() && tensor.name == "lm_head.weight")
      continue;  // tied: stored once
    const int64_t count =
        std::accumulate(tensor.shape.begin(), tensor.shape.end(), int64_t{1},
                        std::multiplies<>());
    std::vector<float> values(static_cast<size_t>(count));
    const absl::Status read = ReadTensor(**file, tensor, values.data());
    EXPECT_TRUE(read.ok()) << read;
    if (!read.ok()) return INFINITY;
    const double allowed = std::max(floor, 10 * tensor.noise_max_abs);
    const double last = static_cast<double>(values.size() - 1);
    for (size_t i = 0; i < tensor.probe.size(); ++i) {
      const auto at =
          static_cast<size_t>(last * static_cast<double>(i) /
                              static_cast<double>(tensor.probe.size() - 1));
      worst = std::max(worst, std::abs(values[at] - tensor.probe[i]) / allowed);
    }
  }
  return worst;
}

class TraceTest : public ::testing::TestWithParam<Case> {};

TEST_P(TraceTest, EveryLayoutReproducesTheTrace) {
  const Case& c = GetParam();
  const Trace trace = LoadTrace(c.name);
  Cluster cluster(/*slots=*/4);
  for (const Layout& layout : LayoutsOf(c, trace.train_batch_size)) {
    SCOPED_TRACE(c.name + ": " + layout.Describe());
    const std::string output = cluster.NewFolder(layout.Describe());
    auto outcome = cluster.Run(TraceJob(trace, layout, output), kJobTimeout);
    ASSERT_TRUE(outcome.ok()) << outcome.status() << "\n" << cluster.Logs();
    const v1::JobStatus& status = outcome->job.status();
    ASSERT_EQ(status.state(), v1::JOB_STATE_SUCCEEDED)
        << status.DebugString() << cluster.Logs();
    ASSERT_EQ(outcome->steps.size(), trace.steps.size());
    double loss = 0, norm = 0;
    for (size_t i = 0; i < trace.steps.size(); ++i) {
      const v1::StepMetrics& got = outcome->steps[i];
      const TraceStep& want = trace.steps[i];
      loss = std::max(loss, RelativeDifference(got.loss(), want.loss));
      norm =
          std::max(norm, RelativeDifference(got.grad_norm(), want.grad_norm));
      EXPECT_EQ(got.step(), static_cast<int64_t>(i + 1));
      EXPECT_NEAR(got.learning_rate(), want.learning_rate,
                  1e-12 * want.learning_rate);
      EXPECT_EQ(got.loss_scale(), want.loss_scale);
      EXPECT_FALSE(got.skipped());
    }
    const double weights =
        WeightExcess(trace, status.model_path(), c.tolerance.weight);
    std::printf("%-12s %-40s loss %.1e  norm %.1e  weights %.2f of allowed\n",
                c.name.c_str(), layout.Describe().c_str(), loss, norm, weights);
    EXPECT_LE(loss, c.tolerance.loss);
    EXPECT_LE(norm, c.tolerance.grad_norm);
    EXPECT_LE(weights, 1);
  }
}

constexpr const char* kFamilies[] = {
    "bloom",  "cohere",  "cohere2",  "falcon",    "falcon_new", "gemma",
    "gemma2", "gemma3",  "glm",      "glm4",      "gpt2",       "gpt_neox",
    "gptj",   "granite", "olmo",     "olmo2",     "opt",        "phi",
    "phi3",   "smollm3", "stablelm", "starcoder2"};
constexpr const char* kMixtures[] = {"deepseek_v3", "deepseek_v3_yarn",
                                     "mixtral", "qwen2_moe", "qwen3_moe"};
// Another flavour of a family: norms, residuals, layouts, rope types.
constexpr const char* kVariants[] = {
    "bloom_post",       "cohere_qk",     "falcon_one_norm",     "falcon_rw",
    "gemma3_linear",    "gpt2_by_layer", "gpt_neox_sequential", "llama_dynamic",
    "llama_yarn",       "opt_post",      "phi3_long",           "phi_qk",
    "stablelm_parallel"};

std::vector<Case> Cases() {
  std::vector<Case> cases = {
      {.name = "llama"},
      {.name = "llama3"},
      {.name = "llama_bias"},
      {.name = "llama_masked", .fixed_micro_batch = true},
      {.name = "mistral"},
      {.name = "qwen2"},
      {.name = "qwen3"},
      {.name = "llama_bf16", .tolerance = kBfloat16, .fixed_micro_batch = true},
      {.name = "qwen3_bf16", .tolerance = kBfloat16, .fixed_micro_batch = true},
      {.name = "llama_fp16", .tolerance = kFloat16, .fixed_micro_batch = true}};
  for (const char* name : kFamilies)
    cases.push_back({.name = name, .breadth = Breadth::kFamily});
  for (const char* name : kMixtures)
    cases.push_back({.name = name, .breadth = Breadth::kFamily});
  // The balance of routers is that of a micro-batch.
  cases.push_back({.name = "mixtral_balance",
                   .breadth = Breadth::kFamily,
                   .fixed_micro_batch = true});
  for (const char* name : kVariants)
    cases.push_back({.name = name, .breadth = Breadth::kVariant});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Cases, TraceTest, ::testing::ValuesIn(Cases()),
                         [](const auto& tested) { return tested.param.name; });

// 32 tokens: even over two ranks, not over three.
std::vector<Case> CutTokenCases() {
  constexpr Layout kTwo = {
      .tensor_parallel = 2, .micro_batch = 4, .sequence_parallel = true};
  constexpr Layout kFour = {.tensor_parallel = 2,
                            .data_parallel = 2,
                            .zero_stage = 2,
                            .micro_batch = 2,
                            .sequence_parallel = true};
  constexpr Layout kThree = {
      .tensor_parallel = 3, .micro_batch = 8, .sequence_parallel = true};
  std::vector<Case> cases;
  for (const char* name : {"bloom", "gemma2", "gpt2", "mixtral"})
    cases.push_back({.name = name, .layouts = {kTwo, kFour}});
  cases.push_back({.name = "llama", .layouts = {kTwo, kThree, kFour}});
  cases.push_back({.name = "llama_bf16",
                   .tolerance = kBfloat16,
                   .layouts = {{.tensor_parallel = 2,
                                .micro_batch = 2,
                                .sequence_parallel = true}}});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(CutTokens, TraceTest,
                         ::testing::ValuesIn(CutTokenCases()),
                         [](const auto& tested) { return tested.param.name; });

// A tied head (gpt2) and one of its own (llama), whole on every rank.
std::vector<Case> WholeVocabularyCases() {
  constexpr Layout kTwo = {
      .tensor_parallel = 2, .micro_batch = 4, .vocabulary_parallel = false};
  constexpr Layout kThree = {
      .tensor_parallel = 3, .micro_batch = 8, .vocabulary_parallel = false};
  constexpr Layout kFour = {.tensor_parallel = 2,
                            .data_parallel = 2,
                            .zero_stage = 2,
                            .micro_batch = 2,
                            .sequence_parallel = true,
                            .vocabulary_parallel = false};
  std::vector<Case> cases;
  for (const char* name : {"gpt2", "llama"})
    cases.push_back({.name = name, .layouts = {kTwo, kThree, kFour}});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(WholeVocabulary, TraceTest,
                         ::testing::ValuesIn(WholeVocabularyCases()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace autotp::testing
