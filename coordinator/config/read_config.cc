#include "coordinator/config/read_config.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "coordinator/config/batch_triangle.h"
#include "coordinator/config/combination_checks.h"
#include "coordinator/config/effective_config.h"
#include "coordinator/config/json_document.h"
#include "coordinator/config/key_check.h"
#include "coordinator/config/section_reader.h"
#include "coordinator/config/sections.h"

namespace autotp::config {
namespace {

// The divisors of `number` next to `size`: "2 or 4".
std::string NearestDivisors(int64_t number, int64_t size) {
  int64_t below = 1;
  int64_t above = 0;
  for (int64_t i = 1; i <= number; ++i) {
    if (number % i != 0) continue;
    if (i <= size) below = i;
    if (i > size && above == 0) above = i;
  }
  return above == 0 ? absl::StrCat(below) : absl::StrCat(below, " or ", above);
}

// 0 after reporting.
int64_t DataParallelSize(const TensorParallelRequest& request,
                         int64_t world_size, Diagnostics* diagnostics) {
  if (world_size < 1) {
    diagnostics->Error({}, "WORLD_SIZE_INVALID",
                       absl::StrCat("the world has ", world_size,
                                    " ranks; at least 1 is needed"),
                       "give --world-size or --slots a number above 0");
    return 0;
  }
  if (world_size % request.size == 0) return world_size / request.size;
  const int64_t up =
      (world_size + request.size - 1) / request.size * request.size;
  const int64_t down = world_size / request.size * request.size;
  diagnostics->Error(
      request.size_place, "TENSOR_PARALLEL_SIZE_DOES_NOT_DIVIDE",
      absl::StrCat("a world of ", world_size,
                   " ranks is not a multiple of autotp_size ", request.size),
      absl::StrCat("set autotp_size to ",
                   NearestDivisors(world_size, request.size), ", or run on ",
                   down == 0 ? "" : absl::StrCat(down, " or "), up, " ranks"));
  return 0;
}

void CheckAllReduceOp(const SectionReader& top) {
  const std::optional<std::string> op = top.Text("gradient_allreduce_op");
  if (!op.has_value() || !absl::EqualsIgnoreCase(*op, "sum")) return;
  top.diagnostics()->Error(
      top.PlaceOf("gradient_allreduce_op"), "UNKNOWN_VALUE",
      absl::StrCat("gradient_allreduce_op is \"", *op,
                   "\"; \"mean\" is supported"),
      "take it out, and scale the learning rate if you meant a sum");
}

ScheduleFacts FactsOf(const v1::OptimizerConfig& optimizer,
                      const JobFacts& job) {
  // DeepSpeed looks for betas in the defaults of the whole optimizer, where
  // Muon has none.
  const v1::OptimizerConfig::Kind kind = optimizer.kind();
  return {optimizer.learning_rate(), job.max_steps,
          kind == v1::OptimizerConfig::KIND_ADAM ||
              kind == v1::OptimizerConfig::KIND_LAMB ||
              kind == v1::OptimizerConfig::KIND_LION,
          kind == v1::OptimizerConfig::KIND_MUON};
}

}  // namespace

ConfigResult ReadConfig(std::string text, const std::string& file_name,
                        const JobFacts& job, Diagnostics* diagnostics) {
  ConfigResult result;
  const int errors = diagnostics->errors();
  const std::optional<JsonDocument> document =
      JsonDocument::Parse(std::move(text), file_name, diagnostics);
  if (!document.has_value()) return result;
  if (!document->root().is_object()) {
    diagnostics->Error(
        document->PlaceOf(document->root()), "WRONG_TYPE",
        absl::StrCat("the document is ", KindName(document->root().kind),
                     "; a DeepSpeed config is an object"));
    return result;
  }
  CheckKeys(*document, diagnostics);

  const SectionReader top(*document, &document->root(), diagnostics);
  result.tensor_parallel = ReadTensorParallel(*document, diagnostics);
  result.data_parallel_size =
      DataParallelSize(result.tensor_parallel, job.world_size, diagnostics);
  const BatchNumbers batch = ReadBatch(
      *document, {job.world_size, result.data_parallel_size}, diagnostics);
  const ZeroSettings zero =
      ReadZero(*document, result.tensor_parallel.size, diagnostics);
  CheckAllReduceOp(top);
  CheckCombinations(*document, zero.stage, diagnostics);

  v1::TrainingConfig training;
  training.set_train_batch_size(batch.train);
  training.set_micro_batch_size(batch.micro);
  training.set_accumulation_steps(batch.accumulation);
  ReadPrecision(*document, diagnostics, &training);
  training.set_zero_stage(zero.stage);
  training.set_reduce_bucket_elements(zero.reduce_bucket_elements);
  training.set_allgather_bucket_elements(zero.allgather_bucket_elements);
  training.set_gradient_clipping(
      top.Number("gradient_clipping", 0).value_or(1.0));
  *training.mutable_optimizer() = ReadOptimizer(*document, diagnostics);
  *training.mutable_schedule() =
      ReadSchedule(*document, FactsOf(training.optimizer(), job), diagnostics);
  if (diagnostics->errors() > errors) return result;
  result.effective_json = EffectiveConfigJson(
      {training, result.tensor_parallel,
       top.Boolean("zero_allow_untested_optimizer").value_or(false)});
  result.effective_values = EffectiveValues(*document, result.effective_json);
  result.training = std::move(training);
  return result;
}

}  // namespace autotp::config
