#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "coordinator/core/attempts.h"
#include "coordinator/core/core.h"
#include "coordinator/core/job_state.h"
#include "coordinator/core/schedule.h"
#include "coordinator/core/time_proto.h"
#include "proto/support/check.h"
#include "proto/support/status_macros.h"

namespace autotp::core {
namespace {

constexpr size_t kJobIdMax = 63;

absl::Status ValidateJobId(const std::string& id) {
  const auto allowed = [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
  };
  bool valid = !id.empty() && id.size() <= kJobIdMax;
  for (char c : id) valid = valid && allowed(c);
  if (valid) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("job_id: \"", id, "\"; must be 1 to ", kJobIdMax,
                   " characters of a-z, 0-9 and -"));
}

// "tiny-llama-3f9a2c" from the model folder's name and the uid.
std::string ChooseJobId(const Submission& submission) {
  std::string path = submission.request.spec().model().path();
  while (!path.empty() && path.back() == '/') path.pop_back();
  std::string id;
  for (char c : path.substr(path.rfind('/') + 1)) {
    c = absl::ascii_tolower(c);
    id += absl::ascii_isalnum(c) ? c : '-';
  }
  constexpr size_t kFromModelMax = 40;
  id.resize(std::min(id.size(), kFromModelMax));
  return absl::StrCat(id.empty() ? "job" : id, "-",
                      submission.uid.substr(0, 6));
}

}  // namespace

absl::StatusOr<v1::Job> Core::Apply(absl::Time now,
                                    const Submission& submission,
                                    Effects& effects) {
  const v1::CreateJobRequest& request = submission.request;
  absl::StatusOr<v1::Job> earlier =
      FindRequest(request, submission.request_digest);
  if (!absl::IsNotFound(earlier.status())) return earlier;
  if (state_.jobs.size() >= state_.policy.jobs_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat("there are ", state_.jobs.size(), " jobs; no more fit"));
  }
  const std::string id =
      request.job_id().empty() ? ChooseJobId(submission) : request.job_id();
  AUTOTP_RETURN_IF_ERROR(ValidateJobId(id));
  const std::string name = absl::StrCat("jobs/", id);
  if (state_.jobs.contains(name)) {
    return absl::AlreadyExistsError(absl::StrCat(name, " exists already"));
  }
  AUTOTP_CHECK(submission.plan != nullptr);
  AUTOTP_CHECK(submission.plan->plan().tensor_parallel_size() >= 1);

  Change change{state_, now, effects};
  Job& job = state_.jobs[name];
  v1::Job& shown = *job.record.mutable_job();
  shown.set_name(name);
  shown.set_uid(submission.uid);
  *shown.mutable_spec() = request.spec();
  *shown.mutable_create_time() = ToTimestamp(now);
  job.record.set_request_id(request.request_id());
  job.record.set_request_digest(submission.request_digest);
  job.plan = submission.plan;
  job.shown_plan = submission.plan->plan();
  if (!request.request_id().empty()) {
    state_.requests[request.request_id()] = name;
  }
  std::string from;
  if (request.spec().checkpoint().resume()) {
    const ResumePoint resume = ChooseResumePoint(state_, submission.found);
    job.record.set_first_manifest(resume.manifest);
    job.record.set_first_step(resume.step);
    from = absl::StrCat(resume.manifest.empty()
                            ? ", resuming was asked for but starts over: "
                            : ", resuming from ",
                        resume.reason);
  }
  v1::Progress& progress = *job.status().mutable_progress();
  progress.set_step(job.record.first_step());
  progress.set_total_steps(request.spec().run().max_steps());
  SavePlan(job, effects);
  Move(change, job, v1::JOB_STATE_QUEUED,
       absl::StrCat("wants ", request.spec().world_size(),
                    request.spec().world_size() == 1 ? " slot" : " slots",
                    from));
  Schedule(change);
  return ShowJob(job);
}

absl::StatusOr<v1::Job> Core::Apply(absl::Time now,
                                    const v1::CancelJobRequest& request,
                                    Effects& effects) {
  AUTOTP_ASSIGN_OR_RETURN(const Job* found, FindJob(request.name()));
  Job& job = state_.jobs.at(found->name());
  if (IsTerminal(job.state())) return ShowJob(job);
  Change change{state_, now, effects};
  const bool at_once = request.mode() == v1::CancelJobRequest::MODE_IMMEDIATE;
  if (IsWaiting(job.state())) {
    EndJob(change, job, v1::JOB_STATE_CANCELLED, "cancelled while waiting");
    Schedule(change);
    return ShowJob(job);
  }
  // Nothing was trained in this attempt yet that could be saved.
  const bool stop_now = at_once || job.state() == v1::JOB_STATE_STARTING;
  if (job.state() == v1::JOB_STATE_CANCELLING) {
    if (!stop_now || job.record.stop_now()) return ShowJob(job);
    job.record.set_stop_now(true);
    job.deadline = now + state_.policy.kill_timeout;
    SaveJob(job, now, effects);
  } else {
    job.record.set_stop_now(stop_now);
    job.record.set_stop_after_step(!stop_now);
    job.deadline = now + (stop_now ? state_.policy.kill_timeout
                                   : state_.policy.stop_timeout);
    Move(change, job, v1::JOB_STATE_CANCELLING,
         stop_now ? "ending its trainers"
                  : "saving a checkpoint after the current step");
  }
  TouchAll(change, job);
  return ShowJob(job);
}

absl::StatusOr<v1::TriggerCheckpointResponse> Core::Apply(
    absl::Time now, const v1::TriggerCheckpointRequest& request,
    Effects& effects) {
  AUTOTP_ASSIGN_OR_RETURN(const Job* found, FindJob(request.job()));
  Job& job = state_.jobs.at(found->name());
  if (job.state() != v1::JOB_STATE_RUNNING) {
    return absl::FailedPreconditionError(absl::StrCat(
        job.name(), " is ", StateName(job.state()), ", not RUNNING"));
  }
  Change change{state_, now, effects};
  job.record.set_checkpoint_request(job.record.checkpoint_request() + 1);
  SaveJob(job, now, effects);
  TouchAll(change, job);
  return v1::TriggerCheckpointResponse();
}

}  // namespace autotp::core
