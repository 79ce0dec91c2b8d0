// proxy.h -- calls that the agent makes for its trainers, who speak no gRPC.
//
// Flow: a trainer's request -> RPC with the attempt's fence, repeated while
// the coordinator is away, up to a deadline -> reply with the request's id.
// A call is always answered, unless its owner is gone.
//
// Threading: loop thread only.
#ifndef AUTOTP_WORKER_AGENT_PROXY_H_
#define AUTOTP_WORKER_AGENT_PROXY_H_

#include <functional>
#include <memory>

#include "absl/time/time.h"
#include "autotp/v1/trainer.pb.h"
#include "worker/agent/session.h"

namespace autotp::agent {

struct ProxyOptions {
  absl::Duration set_key_timeout = absl::Minutes(1);
  absl::Duration checkpoint_timeout = absl::Minutes(15);
  absl::Duration poll_interval_min = absl::Milliseconds(10);
  absl::Duration poll_interval_max = absl::Milliseconds(200);
};

using Reply = std::function<void(const v1::ToTrainer&)>;

void ServeKey(Session& session, const AttemptKey& attempt,
              const v1::KeyRequest& request, const ProxyOptions& options,
              std::weak_ptr<const void> owner, Reply reply);

// Rank 0's ReportPart is repeated until all parts are there; other ranks get
// the first answer, since only rank 0 writes the manifest.
void ServeCheckpoint(Session& session, const AttemptKey& attempt, int rank,
                     const v1::CheckpointRequest& request,
                     const ProxyOptions& options,
                     std::weak_ptr<const void> owner, Reply reply);

}  // namespace autotp::agent

#endif  // AUTOTP_WORKER_AGENT_PROXY_H_
