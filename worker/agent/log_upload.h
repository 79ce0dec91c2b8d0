// log_upload.h -- sends what is new in one trainer's log to the coordinator.
//
// Flow: supervisor.cc calls Pump() now and then and at the end; one chunk is
// under way at a time; the coordinator may let it skip what is known.
//
// Best effort: logs never hold up a report, and an attempt's end drops them.
// Threading: loop thread only. Held by shared_ptr, as reporter.h.
#ifndef AUTOTP_WORKER_AGENT_LOG_UPLOAD_H_
#define AUTOTP_WORKER_AGENT_LOG_UPLOAD_H_

#include <cstdint>
#include <memory>

#include "proto/support/socket_channel.h"
#include "worker/agent/session.h"

namespace autotp::agent {

class LogUpload : public std::enable_shared_from_this<LogUpload> {
 public:
  // `log`: the rank's log; what lies before `begin` is another attempt's.
  LogUpload(Session& session, AttemptKey attempt, int rank, UniqueFd log,
            int64_t begin);

  int descriptor() const { return log_.get(); }
  int64_t begin() const { return begin_; }
  void Pump();
  // All that is in the log was sent, or sending has ended for good.
  bool drained() const;

 private:
  void OnAnswer(int64_t sent_to,
                const absl::StatusOr<v1::UploadLogsResponse>& answer);

  Session& session_;
  const AttemptKey attempt_;
  const int rank_;
  const UniqueFd log_;
  const int64_t begin_;
  int64_t offset_;
  bool out_ = false;
  bool ended_ = false;
};

}  // namespace autotp::agent

#endif  // AUTOTP_WORKER_AGENT_LOG_UPLOAD_H_
