#include "worker/trainer/evaluation.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "proto/support/status_macros.h"
#include "worker/trainer/failure_reason.h"

namespace autotp::trainer {
namespace {

// Labels that the loss counts: the first of a sequence is nobody's next token.
int64_t CountedTokens(const data::Batch& batch) {
  int64_t counted = 0;
  for (int64_t row = 0; row < batch.B; ++row) {
    const auto first = batch.labels.begin() + row * batch.T;
    counted += batch.T - 1 -
               std::count(first + 1, first + batch.T, data::kIgnoredLabel);
  }
  return counted;
}

}  // namespace

Evaluation::Evaluation(const v1::TrainerTask& task,
                       std::unique_ptr<data::Dataset> dataset)
    : every_steps_(task.evaluation().every_steps()),
      micro_batch_(task.config().micro_batch_size()),
      inputs_(task.program().inputs_size()),
      dataset_(std::move(dataset)),
      sequences_(dataset_->sequence_count()) {
  if (task.evaluation().max_sequences() > 0)
    sequences_ = std::min(sequences_, task.evaluation().max_sequences());
}

absl::StatusOr<std::unique_ptr<Evaluation>> Evaluation::Open(
    const v1::TrainerTask& task) {
  if (!task.has_evaluation()) return nullptr;
  absl::StatusOr<std::unique_ptr<data::Dataset>> dataset =
      data::OpenDatasetFor(task.program(), task.evaluation().data(),
                           task.sequence_length(), task.vocabulary_size());
  if (!dataset.ok()) {
    return WithReason(Annotate(dataset.status(), "evaluation data"),
                      v1::FAILURE_REASON_DATA);
  }
  return std::unique_ptr<Evaluation>(new Evaluation(task, *std::move(dataset)));
}

bool Evaluation::IsDue(int64_t step) const {
  return every_steps_ > 0 && step % every_steps_ == 0;
}

absl::StatusOr<data::Batch> Evaluation::ReadMicroBatch(int64_t first) const {
  std::vector<int64_t> rows(micro_batch_, first);
  const int64_t held = std::min(micro_batch_, sequences_ - first);
  for (int64_t i = 0; i < held; ++i) rows[i] = first + i;
  absl::StatusOr<data::Batch> batch = data::ReadBatch(*dataset_, rows);
  if (!batch.ok()) {
    return WithReason(Annotate(batch.status(), "evaluation data"),
                      v1::FAILURE_REASON_DATA);
  }
  if (batch->columns.empty()) {
    std::fill(batch->labels.begin() + held * batch->T, batch->labels.end(),
              data::kIgnoredLabel);
  }
  return batch;
}

absl::StatusOr<v1::EvaluationResult> Evaluation::Run(
    runtime::LocalProgram& program, zero::FlatState& state,
    const Groups& groups) const {
  const int64_t stride = micro_batch_ * groups.data->size();
  double loss = 0;
  double tokens = 0;
  for (int64_t first = micro_batch_ * groups.data->rank(); first < sequences_;
       first += stride) {
    AUTOTP_ASSIGN_OR_RETURN(const data::Batch batch, ReadMicroBatch(first));
    const bool has_columns = !batch.columns.empty();
    if (has_columns && first + micro_batch_ > sequences_) continue;
    const auto counted =
        static_cast<double>(has_columns ? batch.B : CountedTokens(batch));
    if (counted == 0) continue;  // on all ranks of the tensor group
    AUTOTP_ASSIGN_OR_RETURN(const float mean,
                            program.Evaluate(batch.Inputs(inputs_), state));
    loss += mean * counted;
    tokens += counted;
  }
  double sums[] = {loss, tokens};
  AUTOTP_RETURN_IF_ERROR(
      Annotate(groups.world
                   ->AllReduce({sums, 2, collective::ElementType::kFloat64},
                               collective::Reduction::kSum)
                   ->Wait(),
               "sum of the evaluation's losses"));
  v1::EvaluationResult result;
  result.set_loss(sums[1] > 0 ? sums[0] / sums[1] : 0);
  // Every rank of a tensor-parallel group saw the same.
  result.set_tokens(static_cast<int64_t>(sums[1]) * groups.data->size() /
                    groups.world->size());
  return result;
}

}  // namespace autotp::trainer
