// Goal: a trainer refuses what is no task before it touches anything of it.
// Method: planned tasks, which are fine, with one change each.
#include "worker/trainer/check_task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/support/trace.h"
#include "tests/unit/worker/trainer/rank_threads.h"

namespace autotp::testing {
namespace {

using ::testing::HasSubstr;

TEST(CheckTaskTest, WhatIsNoTaskIsRefusedWithWords) {
  const Layout layout{
      .tensor_parallel = 2, .data_parallel = 2, .micro_batch = 2};
  const auto tasks = PlanTasks(TraceJob(LoadTrace("llama"), layout, "/tmp"));
  ASSERT_TRUE(tasks.ok()) << tasks.status();
  for (const v1::TrainerTask& task : *tasks)
    EXPECT_TRUE(trainer::CheckTask(task).ok()) << trainer::CheckTask(task);

  struct Case {
    std::string part;  // of the message
    std::function<void(v1::TrainerTask&)> change;
  };
  const std::vector<Case> cases = {
      {"is no layout", [](auto& task) { task.set_rank(4); }},
      {"is no layout", [](auto& task) { task.set_tensor_parallel_size(3); }},
      {"is not that of rank 1", [](auto& task) { task.set_rank(1); }},
      {"is not that of rank 0",
       [](auto& task) {
         for (auto& group : *task.mutable_groups())
           if (group.name() == "tp") group.add_ranks(2);
       }},
      {"below 1",
       [](auto& task) { task.mutable_config()->set_micro_batch_size(0); }},
      {"below 1",
       [](auto& task) { task.mutable_config()->set_accumulation_steps(0); }},
      {"'input_ids' is not of micro-batches of 3",
       [](auto& task) { task.mutable_config()->set_micro_batch_size(3); }},
      {"sequences of 5 tokens",
       [](auto& task) { task.set_sequence_length(5); }},
      {"no input for positions",
       [](auto& task) { task.mutable_data()->set_pack_documents(true); }},
      {"the task's program: the program's inputs: makes %99999",
       [](auto& task) { task.mutable_program()->set_inputs(0, 99999); }},
      {"has shape [-1",
       [](auto& task) {
         auto& parameter = *task.mutable_program()->mutable_parameters(0);
         parameter.set_shape(0, -1);
       }},
      {"is no matrix to be orthogonalized",
       [](auto& task) {
         for (auto& parameter : *task.mutable_program()->mutable_parameters())
           if (parameter.shape_size() == 1) parameter.set_orthogonalized(true);
       }},
  };
  for (const Case& c : cases) {
    v1::TrainerTask task = tasks->front();
    c.change(task);
    const absl::Status status = trainer::CheckTask(task);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.part;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.part));
  }
}

}  // namespace
}  // namespace autotp::testing
