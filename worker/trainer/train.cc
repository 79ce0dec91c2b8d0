#include "worker/trainer/train.h"

#include <malloc.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "spdlog/spdlog.h"
#include "worker/checkpoint/export.h"
#include "worker/data/dataset.h"
#include "worker/runtime/local_program.h"
#include "worker/runtime/parallel.h"
#include "worker/trainer/check_task.h"
#include "worker/trainer/checkpointer.h"
#include "worker/trainer/evaluation.h"
#include "worker/trainer/failure_reason.h"
#include "worker/trainer/groups.h"
#include "worker/trainer/model_state.h"
#include "worker/trainer/step_loop.h"
#include "worker/zero/flat_state.h"

namespace autotp::trainer {
namespace {

// Every step allocates the same sizes again: pages kept are pages not faulted
// in anew. 32 MiB is the largest threshold that glibc takes.
void KeepFreedMemory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
}

v1::Estimate Held(const zero::FlatState& state) {
  v1::Estimate held;
  held.set_parameter_bytes(state.weight_bytes());
  held.set_gradient_bytes(state.gradient_bytes());
  held.set_optimizer_bytes(state.optimizer_state_bytes());
  held.set_buffer_bytes(state.buffer_bytes());
  return held;
}

// What this rank is and holds; tests/bench/run reads the key=value words.
void LogStart(const v1::TrainerTask& task, const zero::FlatState& state,
              const Position& first) {
  const int tensor_size = task.tensor_parallel_size();
  spdlog::info("rank {} of {}: TP rank {} of {}, DP rank {} of {}", task.rank(),
               task.world_size(), task.rank() % tensor_size, tensor_size,
               task.rank() / tensor_size, task.world_size() / tensor_size);
  spdlog::info("plan {}, ZeRO {}, micro-batch {}, accumulation {}",
               task.plan_digest(), task.config().zero_stage(),
               task.config().micro_batch_size(),
               task.config().accumulation_steps());
  spdlog::info("bytes held: weights={} gradients={} optimizer={}",
               state.weight_bytes(), state.gradient_bytes(),
               state.optimizer_state_bytes());
  spdlog::info("training from step {} to {}", first.step + 1, task.max_steps());
}

// The folder that a user wanted, from the last committed checkpoint.
absl::Status Export(const v1::TrainerTask& task,
                    const std::string& manifest_path, TrainResult& result) {
  if (task.rank() != 0 || result.stopped_early || task.export_().path().empty())
    return absl::OkStatus();
  AUTOTP_RETURN_IF_ERROR(WithReason(
      Annotate(checkpoint::ExportModel(manifest_path, task.export_()),
               "exporting the model"),
      v1::FAILURE_REASON_STORAGE));
  result.model_path = task.export_().path();
  return absl::OkStatus();
}

runtime::ComputeType ComputeTypeOf(v1::DataType type) {
  switch (type) {
    case v1::DATA_TYPE_BFLOAT16:
      return runtime::ComputeType::kBFloat16;
    case v1::DATA_TYPE_FLOAT16:
      return runtime::ComputeType::kFloat16;
    default:
      return runtime::ComputeType::kFloat32;
  }
}

absl::StatusOr<TrainResult> TrainInGroups(const v1::TrainerTask& task,
                                          TrainerHost& host, Groups& groups,
                                          const data::Dataset& dataset,
                                          const Evaluation* evaluation) {
  runtime::CompileOptions options;
  options.compute_type = ComputeTypeOf(task.config().compute_dtype());
  options.tensor_group = groups.tensor_or_null();
  options.backward_begins = [traffic = groups.traffic.get()] {
    traffic->Enter(collective::Traffic::Phase::kBackward);
  };
  AUTOTP_ASSIGN_OR_RETURN(
      const std::unique_ptr<runtime::LocalProgram> program,
      runtime::LocalProgram::Compile(task.program(), options));
  AUTOTP_ASSIGN_OR_RETURN(const std::unique_ptr<zero::FlatState> state,
                          MakeState(task, *program, groups));
  AUTOTP_ASSIGN_OR_RETURN(const Position first,
                          LoadState(task, *program, *state));
  LogStart(task, *state, first);
  AUTOTP_ASSIGN_OR_RETURN(v1::Manifest manifest,
                          MakeManifest(task, groups.tensor_or_null()));
  Checkpointer checkpointer(task, host, *state, std::move(manifest));
  AUTOTP_RETURN_IF_ERROR(groups.world->Barrier());
  host.ReportReady(first.step + 1);

  const LoopParts parts{task,     host,   groups,       dataset,
                        *program, *state, checkpointer, evaluation};
  AUTOTP_ASSIGN_OR_RETURN(TrainResult result, RunSteps(parts, first));
  result.measured.held = Held(*state);
  AUTOTP_RETURN_IF_ERROR(checkpointer.Finish());
  // Nothing was left to train: the checkpoint that we came from is the model.
  const std::string& manifest_path = checkpointer.saved_step() < 0
                                         ? task.resume_manifest()
                                         : checkpointer.manifest_path();
  AUTOTP_RETURN_IF_ERROR(Export(task, manifest_path, result));
  return result;
}

}  // namespace

absl::StatusOr<TrainResult> Train(const v1::TrainerTask& task,
                                  TrainerHost& host) {
  AUTOTP_RETURN_IF_ERROR(CheckTask(task));
  KeepFreedMemory();
  runtime::SetThreads(host.Threads());
  absl::StatusOr<std::unique_ptr<data::Dataset>> dataset =
      data::OpenDatasetFor(task.program(), task.data(), task.sequence_length(),
                           task.vocabulary_size());
  if (!dataset.ok())
    return WithReason(dataset.status(), v1::FAILURE_REASON_DATA);
  AUTOTP_ASSIGN_OR_RETURN(const std::unique_ptr<Evaluation> evaluation,
                          Evaluation::Open(task));
  absl::StatusOr<Groups> groups = FormGroups(task, host);
  if (!groups.ok())
    return WithReason(groups.status(), v1::FAILURE_REASON_COLLECTIVE);
  absl::StatusOr<TrainResult> result =
      TrainInGroups(task, host, *groups, **dataset, evaluation.get());
  if (!result.ok()) {
    groups->Abort(absl::StrCat("rank ", task.rank(),
                               " failed: ", result.status().message()));
    return Annotate(result.status(), absl::StrCat("rank ", task.rank()));
  }
  return result;
}

}  // namespace autotp::trainer
