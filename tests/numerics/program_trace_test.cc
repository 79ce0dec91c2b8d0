// Goal: a family's program means what Transformers computed: the loss of the
// first micro-batch, and the gradient norm of the first step.
// Method: the programs of tests/golden/models run in double precision on the
// models' own weights, in this process; no worker has a part in it.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "coordinator/model/model.h"
#include "tests/support/program_interpreter.h"
#include "tests/support/subprocess.h"
#include "tests/support/trace.h"
#include "worker/checkpoint/slice.h"
#include "worker/checkpoint/weight_loader.h"

namespace autotp::testing {
namespace {

// The traces are of fp32: their own noise is 1e-6 in loss, 2e-6 in norm.
constexpr double kTolerance = 1e-5;
constexpr int64_t kMicroBatch = 2;  // as the traces were made

std::vector<double> ReadTokens(const std::string& path) {
  const std::string bytes = ReadFileOrEmpty(path);
  std::vector<double> tokens;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    tokens.push_back(static_cast<unsigned char>(bytes[i]) +
                     256.0 * static_cast<unsigned char>(bytes[i + 1]));
  }
  return tokens;
}

NamedTensors LoadWeights(const program::Program& program) {
  checkpoint::WeightLoader loader(v1::ModelSource::INITIALIZATION_UNSPECIFIED,
                                  0);
  NamedTensors weights;
  const v1::Program message = program::ToProto(program);
  for (const v1::Parameter& parameter : message.parameters()) {
    const checkpoint::Shape shape = checkpoint::ShapeOf(parameter);
    std::vector<float> values(
        static_cast<size_t>(checkpoint::ElementCount(shape)));
    const absl::Status status = loader.Load(parameter, values.data());
    EXPECT_TRUE(status.ok()) << status;
    weights[parameter.name()] = {shape, {values.begin(), values.end()}};
  }
  return weights;
}

class ProgramTraceTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ProgramTraceTest, FirstStepIsTheTraces) {
  const Trace trace = LoadTrace(GetParam());
  const absl::StatusOr<model::LoadedModel> model =
      model::LoadModel({.path = SourcePath(std::string("tests/golden/models/") +
                                           GetParam() + "/model"),
                        .micro_batch = kMicroBatch,
                        .sequence_length = trace.sequence_length});
  ASSERT_TRUE(model.ok()) << model.status();
  const NamedTensors weights = LoadWeights(model->program);
  const std::vector<double> tokens = ReadTokens(trace.data);
  const int64_t taken = kMicroBatch * trace.sequence_length;
  const int64_t parts = trace.train_batch_size / kMicroBatch;
  ASSERT_GE(static_cast<int64_t>(tokens.size()), parts * taken);

  double loss = 0;
  NamedTensors sum;
  for (int64_t part = 0; part < parts; ++part) {
    const auto begin = tokens.begin() + part * taken;
    const Tensor ids = {{kMicroBatch, trace.sequence_length},
                        {begin, begin + taken}};
    const absl::StatusOr<std::vector<RankResult>> result =
        RunPrograms({model->program}, weights, {ids, ids});
    ASSERT_TRUE(result.ok()) << result.status();
    loss += (*result)[0].loss / static_cast<double>(parts);
    for (const auto& [name, gradient] : (*result)[0].gradients) {
      Tensor& total =
          sum.try_emplace(name, Zeros(gradient.shape)).first->second;
      for (size_t i = 0; i < gradient.data.size(); ++i)
        total.data[i] += gradient.data[i] / static_cast<double>(parts);
    }
  }
  double squares = 0;
  for (const auto& [name, gradient] : sum)
    for (const double number : gradient.data) squares += number * number;
  const double norm = std::sqrt(squares);
  const TraceStep& want = trace.steps[0];
  std::printf("%-20s loss %.1e  norm %.1e\n", GetParam(),
              std::abs(loss / want.loss - 1),
              std::abs(norm / want.grad_norm - 1));
  EXPECT_NEAR(loss, want.loss, kTolerance * want.loss);
  EXPECT_NEAR(norm, want.grad_norm, kTolerance * want.grad_norm);
}

INSTANTIATE_TEST_SUITE_P(Mixtures, ProgramTraceTest,
                         ::testing::Values("mixtral", "mixtral_balance",
                                           "qwen2_moe", "qwen3_moe",
                                           "deepseek_v3", "deepseek_v3_yarn",
                                           "qwen3"),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace autotp::testing
