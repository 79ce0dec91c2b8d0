#include "coordinator/planner/measure_layout.h"

#include <filesystem>
#include <utility>

#include "coordinator/config/diagnostics.h"
#include "coordinator/partition/recompute.h"
#include "coordinator/plan/choose_rules.h"
#include "coordinator/plan/match_rules.h"
#include "coordinator/planner/collectives.h"
#include "coordinator/planner/estimate.h"
#include "coordinator/planner/flops.h"
#include "coordinator/planner/micro_step.h"
#include "coordinator/planner/model_facts.h"
#include "coordinator/planner/parameter_groups.h"

namespace autotp::planner {
namespace {

// Per number that is updated, beside the optimizer's own state: its gradient
// is read, its weight read and written; of bf16 the rounded weight is written.
constexpr int64_t kFloat32UpdateBytes = 12;
constexpr int64_t kBFloat16UpdateBytes = 6;

}  // namespace

LayoutMeasure::LayoutMeasure(model::ModelRequest model,
                             config::TensorParallelRequest tensor_parallel,
                             const v1::TrainingConfig& training,
                             bool sequence_parallel)
    : model_(std::move(model)),
      tensor_parallel_(std::move(tensor_parallel)),
      training_(training),
      sequence_parallel_(sequence_parallel) {
  model_.need_weights = false;
  model_.micro_batch = 0;
}

bool LayoutMeasure::Cut(int tensor_parallel_size, int64_t micro_batch) {
  if (model_.micro_batch == micro_batch &&
      tensor_parallel_.size == tensor_parallel_size)
    return cut_;
  cut_ = false;
  model_.micro_batch = micro_batch;
  tensor_parallel_.size = tensor_parallel_size;
  absl::StatusOr<model::LoadedModel> loaded = model::LoadModel(model_);
  if (!loaded.ok()) return false;
  MarkOrthogonalized(training_.optimizer(), &loaded->program);
  // What is to be said about the rules was said of the job itself.
  config::Diagnostics unheard;
  const plan::RuleSet rules = plan::ChooseRules(
      tensor_parallel_,
      FactsOf(*loaded,
              (std::filesystem::path(model_.path) / "config.json").string()),
      &unheard);
  partition::PartitionOptions options;
  options.tensor_parallel_size = tensor_parallel_size;
  options.grain = tensor_parallel_.grain;
  options.fullest_only = true;
  options.sequence_parallel = sequence_parallel_;
  for (const auto& [name, placement] :
       plan::MatchRules(rules, loaded->program, loaded->model_type, &unheard))
    options.requests[name] = placement.request;
  if (unheard.has_error()) return false;
  absl::StatusOr<partition::Partitioned> partitioned =
      partition::Partition(loaded->program, options);
  if (!partitioned.ok()) return false;
  program_ = std::move(loaded->program);
  partitioned_ = *std::move(partitioned);
  cut_ = true;
  return true;
}

std::optional<Measured> LayoutMeasure::Measure(const v1::LayoutChoice& choice) {
  if (!Cut(choice.tensor_parallel_size(), choice.micro_batch_size()))
    return std::nullopt;
  training_.set_micro_batch_size(choice.micro_batch_size());
  training_.set_accumulation_steps(choice.accumulation_steps());
  training_.set_zero_stage(choice.zero_stage());
  for (program::Program& one : partitioned_.locals)
    partition::AssignRecomputation(choice.recomputation(), &one);
  const EstimateInput input{program_, partitioned_, training_,
                            choice.data_parallel_size()};
  Measured measured;
  measured.work.collectives = CollectivesOf(input);
  measured.estimate = EstimateOf(input, measured.work.collectives);
  measured.work.accumulation = choice.accumulation_steps();
  const program::Program& local = FullestLocal(partitioned_);
  const WorkAgain again = MicroStep(local, ComputeBytes(training_)).Again();
  measured.work.rank_flops = (MicroStepFlops(local) + again.flops) *
                             static_cast<double>(choice.accumulation_steps());
  measured.work.bytes_again = again.bytes * choice.accumulation_steps();
  const bool is_float = ComputeBytes(training_) == 4;
  const zero::FlatLayout layout = LayoutOf(input, local);
  measured.work.update_bytes =
      2 * measured.estimate.optimizer_bytes() +
      (StageOf(input) == 0 ? layout.elements() : layout.shard_elements()) *
          (is_float ? kFloat32UpdateBytes : kBFloat16UpdateBytes);
  return measured;
}

}  // namespace autotp::planner
