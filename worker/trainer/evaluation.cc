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

absl::StatusOr<data::Batch> Evaluation::Read(
    const std::vector<int64_t>& rows) const {
  absl::StatusOr<data::Batch> batch = data::ReadBatch(*dataset_, rows);
  if (!batch.ok()) {
    return WithReason(Annotate(batch.status(), "evaluation data"),
                      v1::FAILURE_REASON_DATA);
  }
  return batch;
}

absl::StatusOr<Evaluation::Sum> Evaluation::SumOfSequences(
    int64_t first, runtime::LocalProgram& program,
    zero::FlatState& state) const {
  std::vector<int64_t> rows(micro_batch_, first);
  const int64_t held = std::min(micro_batch_, sequences_ - first);
  for (int64_t i = 0; i < held; ++i) rows[i] = first + i;
  AUTOTP_ASSIGN_OR_RETURN(data::Batch batch, Read(rows));
  std::fill(batch.labels.begin() + held * batch.T, batch.labels.end(),
            data::kIgnoredLabel);
  const auto counted = static_cast<double>(CountedTokens(batch));
  if (counted == 0) return Sum{};  // on all ranks of the tensor group
  AUTOTP_ASSIGN_OR_RETURN(const float mean,
                          program.Evaluate(batch.Inputs(inputs_), state));
  return Sum{mean * counted, counted};
}

absl::StatusOr<Evaluation::Sum> Evaluation::SumOfRows(
    int64_t first, runtime::LocalProgram& program,
    zero::FlatState& state) const {
  const int64_t held = std::min(micro_batch_, sequences_ - first);
  std::vector<int64_t> rows(micro_batch_);
  const bool full = held == micro_batch_;
  Sum sum;
  for (int64_t begin = first; begin < first + held;
       begin += full ? micro_batch_ : 1) {
    for (int64_t i = 0; i < micro_batch_; ++i) rows[i] = begin + (full ? i : 0);
    AUTOTP_ASSIGN_OR_RETURN(const data::Batch batch, Read(rows));
    AUTOTP_ASSIGN_OR_RETURN(const float mean,
                            program.Evaluate(batch.Inputs(inputs_), state));
    const auto counted = static_cast<double>(full ? micro_batch_ : 1);
    sum.loss += mean * counted;
    sum.counted += counted;
  }
  return sum;
}

absl::StatusOr<v1::EvaluationResult> Evaluation::Run(
    runtime::LocalProgram& program, zero::FlatState& state,
    const Groups& groups) const {
  const int64_t stride = micro_batch_ * groups.data->size();
  const bool has_columns = !dataset_->columns().empty();
  double sums[] = {0, 0};  // loss, and what it is the sum of
  for (int64_t first = micro_batch_ * groups.data->rank(); first < sequences_;
       first += stride) {
    AUTOTP_ASSIGN_OR_RETURN(
        const Sum sum, has_columns ? SumOfRows(first, program, state)
                                   : SumOfSequences(first, program, state));
    sums[0] += sum.loss;
    sums[1] += sum.counted;
  }
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
