// job_text.h -- jobs and their failures in words. Pure.
#ifndef AUTOTP_CLIENT_CLI_JOB_TEXT_H_
#define AUTOTP_CLIENT_CLI_JOB_TEXT_H_

#include <string>
#include <vector>

#include "autotp/v1/job.pb.h"

namespace autotp::cli {

// "jobs/7 RUNNING attempt 1, step 12/100, loss 3.21: message".
std::string JobLine(const v1::Job& job);

// "rank 1 on worker w0 ended by signal 9: message", then its last log lines.
std::string FailureText(const v1::Failure& failure);

std::string JobsTable(const std::vector<v1::Job>& jobs);

// Everything about one job.
std::string JobDescription(const v1::Job& job,
                           const std::vector<v1::JobEvent>& events);

// "step 5  loss 3.2  grad norm 1.1 ...": a step of `autotp metrics`.
std::string StepLine(const v1::StepMetrics& step);

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_JOB_TEXT_H_
