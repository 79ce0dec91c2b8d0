#include "tests/fuzz/run_program.h"

#include <gtest/gtest.h>

#include <vector>

#include "absl/strings/match.h"
#include "tests/support/program_maker.h"
#include "worker/runtime/local_program.h"
#include "worker/runtime/operations/aten_allowed.h"

namespace autotp::testing {
namespace {

// Of all values together: what is beyond would only be slow.
constexpr int64_t kMostElements = int64_t{1} << 21;

int64_t CountOf(const v1::Value& value) {
  int64_t count = 1;
  for (const int64_t size : value.shape()) count *= size;
  return count;
}

bool IsSmall(const v1::Program& program) {
  int64_t sum = 0;
  for (const v1::Value& value : program.values()) {
    for (const int64_t size : value.shape())
      if (size > kMostElements) return false;
    sum += CountOf(value);
    if (sum > kMostElements) return false;
  }
  return true;
}

}  // namespace

RunOutcome CompileAndRun(const v1::Program& program,
                         collective::Communicator* group) {
  runtime::CompileOptions options;
  options.tensor_group = group;
  const auto local = runtime::LocalProgram::Compile(program, options);
  if (!local.ok()) {
    EXPECT_FALSE(local.status().message().empty());
    EXPECT_LT(local.status().message().size(), 4000u);
    return {};
  }
  for (const v1::Node& node : program.nodes()) {
    EXPECT_TRUE(!absl::StartsWith(node.operation(), "aten.") ||
                runtime::IsAllowedAtenOperator(node.operation().substr(5)));
  }
  if (!IsSmall(program)) return {.compiled = true};
  std::vector<std::vector<float>> weights;
  for (const v1::Parameter& parameter : program.parameters()) {
    const v1::Value& value = program.values(parameter.value());
    weights.emplace_back(CountOf(value), 0.5f);
  }
  std::vector<std::vector<int64_t>> columns;
  std::vector<const void*> inputs;
  for (const int id : program.inputs()) {
    columns.emplace_back(CountOf(program.values(id)), 1);
    inputs.push_back(columns.back().data());
  }
  VectorStore store(weights);
  const auto loss = (*local)->Run(inputs, {}, store);
  if (loss.ok()) return {.compiled = true, .ran = true};
  EXPECT_FALSE(loss.status().message().empty());
  EXPECT_NE(loss.status().code(), absl::StatusCode::kResourceExhausted)
      << loss.status();
  return {.compiled = true};
}

}  // namespace autotp::testing
