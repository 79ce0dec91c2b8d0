#include "tests/sim/users.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace autotp::sim {
namespace {

constexpr absl::Duration kRetry = absl::Seconds(1);

// {tensor parallel, world}. The last ones fit into no cluster of ours.
const std::vector<std::pair<int, int>>& Layouts() {
  static const auto& layouts = *new std::vector<std::pair<int, int>>{
      {1, 1}, {1, 2}, {2, 2}, {1, 3}, {2, 4}, {1, 4}, {4, 4},
      {2, 6}, {3, 3}, {1, 2}, {2, 4}, {8, 8}, {1, 64}};
  return layouts;
}

std::shared_ptr<const v1::PlannedJob> PlanOf(int tp, int world) {
  auto plan = std::make_shared<v1::PlannedJob>();
  plan->mutable_plan()->set_tensor_parallel_size(tp);
  plan->mutable_plan()->set_data_parallel_size(world / tp);
  plan->mutable_plan()->set_world_size(world);
  for (int rank = 0; rank < tp; ++rank) plan->add_local_programs();
  return plan;
}

}  // namespace

core::Submission Users::DrawJob(int number) {
  Chance& chance = world_.chance;
  const auto [tp, world] = chance.Of(Layouts());
  core::Submission job;
  job.request.set_job_id(absl::StrCat("j", number));
  job.request.set_request_id(absl::StrCat("request-", number));
  job.request_digest = absl::StrCat("body-", number);
  v1::JobSpec& spec = *job.request.mutable_spec();
  spec.set_world_size(world);
  spec.set_max_restarts(chance.Of(std::vector<int>{0, 1, 3, 20}));
  spec.mutable_run()->set_max_steps(chance.Between(4, 40));
  // Some share an output folder, as a job and the one that resumes it do.
  spec.mutable_run()->set_output_path(
      absl::StrCat("/out/", chance.OneIn(3) ? 0 : number));
  spec.mutable_checkpoint()->set_every_steps(chance.Between(0, 8));
  spec.mutable_checkpoint()->set_keep_latest(chance.Between(0, 2));
  spec.mutable_checkpoint()->set_resume(chance.OneIn(2));
  job.plan = PlanOf(tp, world);
  return job;
}

void Users::SubmitJobs(int count, absl::Duration within) {
  for (int number = 0; number < count; ++number) {
    submissions_.push_back(DrawJob(number));
    world_.timeline.After(world_.chance.Between(absl::ZeroDuration(), within),
                          [this, number] { Submit(submissions_[number]); });
  }
}

void Users::Submit(core::Submission submission) {
  // Planned anew with every try: another uid, and what is on the disk now.
  submission.uid = absl::StrFormat("%08x", ++num_uids_);
  submission.found.clear();
  const std::string prefix = absl::StrCat(
      submission.request.spec().run().output_path(), "/checkpoints/");
  for (const auto& [folder, step] : world_.manifests) {
    if (folder.starts_with(prefix)) submission.found.push_back({folder, step});
  }
  network_.Call(link_, submission, [this, submission](const auto& answer) {
    if (absl::IsUnavailable(answer.status())) {
      world_.timeline.After(kRetry, [this, submission] { Submit(submission); });
    } else {
      OnCreated(submission, answer);
    }
  });
}

void Users::OnCreated(const core::Submission& submission,
                      const absl::StatusOr<v1::Job>& answer) {
  const std::string& request_id = submission.request.request_id();
  if (!answer.ok()) {
    return world_.Violate(
        absl::StrCat(request_id, " was refused: ", answer.status().message()));
  }
  const auto [made, is_new] = created_.try_emplace(request_id, answer->name());
  if (made->second != answer->name()) {
    world_.Violate(absl::StrCat(request_id, " made ", made->second, " and ",
                                answer->name()));
  }
  if (!is_new || !world_.chance.OneIn(3)) return;
  // Somebody says it again, later; and somebody takes the id for another job.
  world_.timeline.After(absl::Seconds(20),
                        [this, submission] { Submit(submission); });
  core::Submission other = submission;
  other.request_digest = "another body";
  network_.Call(link_, other, [this, request_id](const auto& refused) {
    if (refused.ok()) {
      world_.Violate(absl::StrCat(request_id, " was taken with another body"));
    }
  });
}

void Users::CancelOne() {
  if (created_.empty()) return;
  std::vector<std::string> names;
  for (const auto& [request, name] : created_) names.push_back(name);
  v1::CancelJobRequest request;
  request.set_name(world_.chance.Of(names));
  request.set_mode(world_.chance.OneIn(2)
                       ? v1::CancelJobRequest::MODE_IMMEDIATE
                       : v1::CancelJobRequest::MODE_CHECKPOINT);
  network_.Call(link_, request, [](const auto&) {});
}

void Users::TriggerOne() {
  if (created_.empty()) return;
  v1::TriggerCheckpointRequest request;
  request.set_job(created_.begin()->second);
  network_.Call(link_, request, [](const auto&) {});
}

}  // namespace autotp::sim
