// job_streams.h -- what each stream of JobService sends next.
//
// Each function makes a `next` for PullStream, with the cursor inside.
#ifndef AUTOTP_COORDINATOR_RPC_JOB_STREAMS_H_
#define AUTOTP_COORDINATOR_RPC_JOB_STREAMS_H_

#include <string>

#include "autotp/v1/job_service.pb.h"
#include "coordinator/rpc/pull_stream.h"

namespace autotp::rpc {

PullStream<v1::WatchJobResponse>::Next WatchJobSteps(
    const v1::WatchJobRequest& request);

PullStream<v1::StreamJobMetricsResponse>::Next MetricsSteps(
    const v1::StreamJobMetricsRequest& request);

// What a log file holds from request.offset() that is in no buffer any more.
struct LogFilePart {
  int32_t attempt = 0;  // 0: the job has not started
  std::string bytes;    // the first of it, up to a limit
  int64_t end = 0;      // where it ends in the log
};

// The part from the file is sent first, and what is missing of it named.
PullStream<v1::TailJobLogsResponse>::Next LogSteps(
    const v1::TailJobLogsRequest& request, LogFilePart file);

}  // namespace autotp::rpc

#endif  // AUTOTP_COORDINATOR_RPC_JOB_STREAMS_H_
