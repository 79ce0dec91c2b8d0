// evaluation.h -- the loss on held-out sequences, as training goes on.
//
// Flow: Train() opens it -> step_loop.h runs it after the steps that are due
// and after the last one -> StepMetrics.evaluation.
//
// The sequences are the file's first, in its order. Data-parallel ranks
// share them micro-batch by micro-batch; a micro-batch that is not full is
// filled with rows that do not count. The result is a mean over tokens, so
// that it depends on no layout; where data are columns
// (worker/data/column.h), over rows: of a micro-batch that is not full each
// row is run alone, filling one, since no label says that a row does not
// count. The loss is the program's: a mixture's router loss is part of it, as
// it is of Transformers'. Forward only: no gradients, nothing is kept.
#ifndef AUTOTP_WORKER_TRAINER_EVALUATION_H_
#define AUTOTP_WORKER_TRAINER_EVALUATION_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "autotp/v1/assignment.pb.h"
#include "autotp/v1/job.pb.h"
#include "worker/data/dataset.h"
#include "worker/runtime/local_program.h"
#include "worker/trainer/groups.h"
#include "worker/zero/flat_state.h"

namespace autotp::trainer {

class Evaluation {
 public:
  // Null where the task asks for none. Errors carry a FailureReason.
  static absl::StatusOr<std::unique_ptr<Evaluation>> Open(
      const v1::TrainerTask& task);

  bool IsDue(int64_t step) const;
  // A collective call of the world; the same result on every rank.
  absl::StatusOr<v1::EvaluationResult> Run(runtime::LocalProgram& program,
                                           zero::FlatState& state,
                                           const Groups& groups) const;

 private:
  Evaluation(const v1::TrainerTask& task,
             std::unique_ptr<data::Dataset> dataset);
  absl::StatusOr<data::Batch> Read(const std::vector<int64_t>& rows) const;

  // Of the micro-batch that begins at `first`.
  struct Sum {
    double loss = 0;
    double counted = 0;  // tokens, or rows
  };
  absl::StatusOr<Sum> SumOfSequences(int64_t first,
                                     runtime::LocalProgram& program,
                                     zero::FlatState& state) const;
  absl::StatusOr<Sum> SumOfRows(int64_t first, runtime::LocalProgram& program,
                                zero::FlatState& state) const;

  const int64_t every_steps_;
  const int64_t micro_batch_;
  const int inputs_;  // of the program
  const std::unique_ptr<data::Dataset> dataset_;
  int64_t sequences_;
};

}  // namespace autotp::trainer

#endif  // AUTOTP_WORKER_TRAINER_EVALUATION_H_
