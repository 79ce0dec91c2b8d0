// Goal: a model that was imported trains to the numbers that Transformers and
// PyTorch gave, at any layout, as its native family does (trace_test).
// Method: every program file of tests/golden/imported that has a trace is
// trained beside its model's own weights; each rank is a thread. A few layouts
// a model; all of TP 1, 2, 4 x DP 1, 2 x ZeRO 0, 1, 2 with AUTOTP_FULL_MATRIX
// in the environment. A table of the largest differences is printed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/imported_folder.h"
#include "tests/support/temp_dir.h"
#include "tests/support/trace.h"
#include "tests/unit/worker/trainer/rank_threads.h"

namespace autotp::testing {
namespace {

struct Case {
  std::string name;     // of the trace
  std::string program;  // of the program file
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

// Models that differ in weights or data alone have one program.
constexpr std::pair<const char*, const char*> kSamePrograms[] = {
    {"llama_bf16", "llama"},
    {"llama_fp16", "llama"},
    {"llama_masked", "llama"},
    {"qwen3_bf16", "qwen3"}};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const std::string& name : ImportedModels()) {
    if (std::filesystem::exists(
            SourcePath(absl::StrCat("tests/golden/models/", name))))
      cases.push_back({name, name});
  }
  for (const auto& [name, program] : kSamePrograms)
    cases.push_back({name, program});
  return cases;
}

// The numbers of masked labels, of routers' balance and of 16-bit gradients
// belong to one micro-batch size.
bool HasFixedMicroBatch(const std::string& name) {
  for (const char* fixed : {"llama_masked", "llama_bf16", "llama_fp16",
                            "qwen3_bf16", "mixtral_balance"})
    if (name == fixed) return true;
  return false;
}

struct Tolerance {
  double loss;
  double norm;
};

// As trace_test.cc has and explains them.
Tolerance ToleranceOf(const std::string& name) {
  if (name.ends_with("_bf16")) return {4e-3, 1e-2};
  if (name.ends_with("_fp16")) return {5e-4, 1.25e-3};
  return {1e-5, 1e-5};
}

std::vector<Layout> LayoutsOf(const std::string& name) {
  std::vector<Layout> layouts;
  if (std::getenv("AUTOTP_FULL_MATRIX") != nullptr) {
    for (int tensor : {1, 2, 4})
      for (int data : {1, 2})
        for (int stage : {0, 1, 2})
          layouts.push_back({.tensor_parallel = tensor,
                             .data_parallel = data,
                             .zero_stage = stage,
                             .micro_batch = stage == 1 ? 2 : 4});
  } else {
    layouts = {{.tensor_parallel = 2, .micro_batch = 8}};
    for (int stage : {1, 2})
      layouts.push_back({.tensor_parallel = 2,
                         .data_parallel = 2,
                         .zero_stage = stage,
                         .micro_batch = 4});
    // Of some: what the number of ranks does, does not depend on the family.
    if (name == "bloom" || name == "gemma3" || name == "llama") {
      layouts.push_back({.micro_batch = 4});
      layouts.push_back(
          {.tensor_parallel = 4, .zero_stage = 1, .micro_batch = 4});
    }
  }
  for (Layout& layout : layouts)
    if (HasFixedMicroBatch(name)) layout.micro_batch = 2;
  return layouts;
}

double Difference(double got, double want) {
  return std::abs(got - want) / std::abs(want);
}

class ImportedTraceTest : public ::testing::TestWithParam<Case> {};

TEST_P(ImportedTraceTest, EveryLayoutReproducesTheTrace) {
  const std::string& name = GetParam().name;
  const Trace trace = LoadTrace(name);
  const Tolerance tolerance = ToleranceOf(name);
  const TempDir folder;
  const std::string model =
      MakeImportedFolder(folder.path(), name, GetParam().program);
  int runs = 0;
  for (const Layout& layout : LayoutsOf(name)) {
    SCOPED_TRACE(layout.Describe());
    const std::string place = folder / absl::StrCat("run", ++runs);
    v1::JobSpec job = TraceJob(trace, layout, place);
    job.mutable_model()->set_path(model);
    const auto tasks = PlanTasks(job);
    ASSERT_TRUE(tasks.ok()) << tasks.status();
    const WorldResult result = RunWorld(*tasks, {place, nullptr});
    ASSERT_TRUE(result.FirstError().ok()) << result.FirstError();
    ASSERT_EQ(result.steps.size(), trace.steps.size());
    double loss = 0, norm = 0;
    for (size_t i = 0; i < trace.steps.size(); ++i) {
      const v1::StepMetrics& got = result.steps[i];
      const TraceStep& want = trace.steps[i];
      loss = std::max(loss, Difference(got.loss(), want.loss));
      norm = std::max(norm, Difference(got.grad_norm(), want.grad_norm));
      EXPECT_FALSE(got.skipped());
    }
    std::printf("imported_%-20s %-40s loss %.1e  norm %.1e\n", name.c_str(),
                layout.Describe().c_str(), loss, norm);
    EXPECT_LE(loss, tolerance.loss);
    EXPECT_LE(norm, tolerance.norm);
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, ImportedTraceTest,
                         ::testing::ValuesIn(Cases()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace autotp::testing
