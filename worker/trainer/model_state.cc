#include "worker/trainer/model_state.h"

#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "proto/support/status_macros.h"
#include "spdlog/spdlog.h"
#include "worker/checkpoint/part.h"
#include "worker/checkpoint/restore.h"
#include "worker/checkpoint/slice.h"
#include "worker/checkpoint/weight_loader.h"
#include "worker/runtime/matrix_product.h"
#include "worker/runtime/parallel.h"
#include "worker/trainer/failure_reason.h"
#include "worker/zero/rounding.h"

namespace autotp::trainer {
namespace {

absl::StatusOr<Position> LoadWeights(const v1::TrainerTask& task,
                                     const std::vector<int64_t>& sizes,
                                     zero::FlatState& state) {
  checkpoint::WeightLoader loader(task.model().initialization(), task.seed());
  std::vector<float> values;
  for (int i = 0; i < task.program().parameters_size(); ++i) {
    values.resize(static_cast<size_t>(sizes[i]));
    AUTOTP_RETURN_IF_ERROR(
        WithReason(loader.Load(task.program().parameters(i), values.data()),
                   v1::FAILURE_REASON_MODEL));
    state.SetParameter(i, values.data());
  }
  spdlog::info("weights read={} bytes for elements={}", loader.bytes_read(),
               std::accumulate(sizes.begin(), sizes.end(), int64_t{0}));
  return Position{};
}

std::string NameOf(v1::OptimizerConfig::Kind kind) {
  return absl::AsciiStrToLower(
      absl::StripPrefix(v1::OptimizerConfig::Kind_Name(kind), "KIND_"));
}

// Another optimizer's states say nothing to this one.
absl::Status CheckOptimizer(const v1::Manifest& manifest,
                            const v1::OptimizerConfig& optimizer) {
  // Before there were others, all manifests were of Adam and didn't say so.
  const v1::OptimizerConfig::Kind saved =
      manifest.training_state().optimizer() ==
              v1::OptimizerConfig::KIND_UNSPECIFIED
          ? v1::OptimizerConfig::KIND_ADAM
          : manifest.training_state().optimizer();
  if (saved == optimizer.kind()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the checkpoint has the states of optimizer ", NameOf(saved),
      ", the job wants ", NameOf(optimizer.kind()), ": resume with ",
      NameOf(saved), ", or start a new job from the exported model"));
}

absl::StatusOr<Position> Restore(const v1::TrainerTask& task,
                                 const std::vector<int64_t>& sizes,
                                 zero::FlatState& state) {
  AUTOTP_ASSIGN_OR_RETURN(
      const std::unique_ptr<checkpoint::CheckpointReader> reader,
      checkpoint::CheckpointReader::Open(task.resume_manifest()));
  AUTOTP_RETURN_IF_ERROR(
      CheckOptimizer(reader->manifest(), task.config().optimizer()));
  std::vector<float> values;
  for (int i = 0; i < task.program().parameters_size(); ++i) {
    const v1::Parameter& parameter = task.program().parameters(i);
    values.resize(static_cast<size_t>(sizes[i]));
    AUTOTP_RETURN_IF_ERROR(reader->Read(parameter.name(), checkpoint::kWeight,
                                        checkpoint::SliceOf(parameter),
                                        {0, sizes[i]}, values.data()));
    state.SetParameter(i, values.data());
  }
  for (const zero::OwnedPiece& piece : state.UpdatedPieces()) {
    const v1::Parameter& parameter = task.program().parameters(piece.parameter);
    if (parameter.frozen()) continue;
    const checkpoint::Range range{piece.range.begin, piece.range.end};
    values.resize(static_cast<size_t>(range.size()));
    for (const zero::OwnedPiece::State& saved : piece.states) {
      AUTOTP_RETURN_IF_ERROR(reader->Read(parameter.name(), saved.name,
                                          checkpoint::SliceOf(parameter), range,
                                          values.data()));
      zero::Round(values.data(), range.size(), saved.numbers.type,
                  saved.numbers.data);
    }
  }
  const v1::Manifest& manifest = reader->manifest();
  Position position{manifest.step(), manifest.tokens(),
                    manifest.sequences_consumed(), manifest.training_state()};
  position.state.clear_optimizer();
  // Of a checkpoint that says no more, no step was skipped.
  if (!manifest.has_training_state())
    position.state.set_schedule_steps(manifest.step());
  return position;
}

// fp32 where nothing is said.
collective::ElementType ElementTypeOf(v1::DataType type) {
  switch (type) {
    case v1::DATA_TYPE_BFLOAT16:
      return collective::ElementType::kBFloat16;
    case v1::DATA_TYPE_FLOAT16:
      return collective::ElementType::kFloat16;
    default:
      return collective::ElementType::kFloat32;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<zero::FlatState>> MakeState(
    const v1::TrainerTask& task, const runtime::LocalProgram& program,
    const Groups& groups) {
  const int tensor_rank = task.rank() % task.tensor_parallel_size();
  std::vector<zero::ParameterInfo> parameters;
  for (int i = 0; i < task.program().parameters_size(); ++i) {
    const v1::Parameter& parameter = task.program().parameters(i);
    parameters.push_back({program.parameter_sizes()[i],
                          parameter.partial_gradient(),
                          parameter.cut_dim() >= 0 || tensor_rank == 0,
                          parameter.frozen(),
                          {parameter.undecayed(), parameter.orthogonalized()},
                          parameter.name(),
                          checkpoint::ShapeOf(parameter),
                          checkpoint::SliceOf(parameter)});
  }
  zero::FlatStateOptions options;
  options.zero_stage = task.config().zero_stage();
  options.weight_type = ElementTypeOf(task.config().compute_dtype());
  options.master_type = ElementTypeOf(task.config().master_dtype());
  options.state_type = ElementTypeOf(task.config().state_dtype());
  options.gradient_type = ElementTypeOf(task.config().gradient_dtype());
  options.exchange_type = ElementTypeOf(task.config().communication_dtype());
  options.bucket_elements = task.config().reduce_bucket_elements();
  options.gather_elements = task.config().allgather_bucket_elements();
  options.data_group = groups.data_or_null();
  options.tensor_group = groups.tensor_or_null();
  options.parallel_for = runtime::ParallelFor;
  options.matrix_product = runtime::MultiplyMatrices;
  options.optimizer = task.config().optimizer();
  options.seed = task.seed();
  return zero::FlatState::Create(std::move(parameters), options);
}

absl::StatusOr<Position> LoadState(const v1::TrainerTask& task,
                                   const runtime::LocalProgram& program,
                                   zero::FlatState& state) {
  const std::vector<int64_t>& sizes = program.parameter_sizes();
  if (task.resume_manifest().empty()) return LoadWeights(task, sizes, state);
  absl::StatusOr<Position> position = Restore(task, sizes, state);
  if (position.ok()) return position;
  return WithReason(
      Annotate(position.status(),
               absl::StrCat("resuming from ", task.resume_manifest())),
      v1::FAILURE_REASON_STORAGE);
}

}  // namespace autotp::trainer
