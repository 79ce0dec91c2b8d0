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

// `from_file` is sent first: bytes of the log from request.offset() that are
// in no buffer any more.
PullStream<v1::TailJobLogsResponse>::Next LogSteps(
    const v1::TailJobLogsRequest& request, std::string from_file);

}  // namespace autotp::rpc

#endif  // AUTOTP_COORDINATOR_RPC_JOB_STREAMS_H_
