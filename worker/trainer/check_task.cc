#include "worker/trainer/check_task.h"

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "worker/data/column.h"
#include "worker/runtime/check_program.h"

namespace autotp::trainer {
namespace {

template <typename... Parts>
absl::Status Refused(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

// Has the group `size` ranks, and this rank its place among them?
absl::Status CheckGroup(const v1::TrainerTask& task,
                        const v1::ProcessGroup& group, int size, int place) {
  if (group.ranks_size() == size && group.ranks(place) == task.rank())
    return absl::OkStatus();
  return Refused("group ", group.key(), " of ", group.ranks_size(),
                 " ranks is not that of rank ", task.rank(), " among ",
                 task.world_size(), " with tensor-parallel size ",
                 task.tensor_parallel_size());
}

absl::Status CheckGroups(const v1::TrainerTask& task) {
  const int tensor_size = task.tensor_parallel_size();
  for (const v1::ProcessGroup& group : task.groups()) {
    absl::Status status;
    if (group.name() == "tp")
      status = CheckGroup(task, group, tensor_size, task.rank() % tensor_size);
    if (group.name() == "dp") {
      status = CheckGroup(task, group, task.world_size() / tensor_size,
                          task.rank() / tensor_size);
    }
    if (group.name() == "world")
      status = CheckGroup(task, group, task.world_size(), task.rank());
    AUTOTP_RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

// A batch's memory is as large as the task says; a program reads as much as its
// inputs say.
absl::Status CheckInputs(const v1::TrainerTask& task) {
  const v1::Program& program = task.program();
  const bool tokens = data::TakesTokens(program);
  for (const int id : program.inputs()) {
    const v1::Value& input = program.values(id);
    const bool fits = input.shape_size() > 0 &&
                      input.shape(0) == task.config().micro_batch_size() &&
                      (!tokens || input.shape(1) == task.sequence_length());
    if (!fits) {
      return Refused("the program's input '", input.name(),
                     "' is not of micro-batches of ",
                     task.config().micro_batch_size(),
                     tokens ? absl::StrCat(" sequences of ",
                                           task.sequence_length(), " tokens")
                            : "");
    }
  }
  if (task.data().pack_documents() && program.inputs_size() != 3) {
    return Refused(
        "documents are packed, but the program has no input for positions");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckTask(const v1::TrainerTask& task) {
  if (task.tensor_parallel_size() < 1 || task.world_size() < 1 ||
      task.world_size() % task.tensor_parallel_size() != 0 || task.rank() < 0 ||
      task.rank() >= task.world_size()) {
    return Refused("rank ", task.rank(), " of ", task.world_size(),
                   " with tensor-parallel size ", task.tensor_parallel_size(),
                   " is no layout");
  }
  AUTOTP_RETURN_IF_ERROR(CheckGroups(task));
  AUTOTP_RETURN_IF_ERROR(Annotate(runtime::CheckLocalProgram(task.program()),
                                  "the task's program"));
  if (task.config().micro_batch_size() < 1)
    return Refused("micro_batch_size is below 1");
  if (task.config().accumulation_steps() < 1)
    return Refused("accumulation_steps is below 1");
  return CheckInputs(task);
}

}  // namespace autotp::trainer
