// blame.h -- which of several deaths of one attempt is the cause.
//
// Flow: agent.cc offers every failure of a rank; the first that is no
// consequence of another is reported, the rest are collateral.
//
// A trainer that was killed, or that names its own trouble, is a cause. One
// that says "a peer is gone" may be a consequence: it waits for `patience`
// in case the cause shows up on this host; if not, it is the best we have.
//
// Pure: time is an argument.
#ifndef AUTOTP_WORKER_AGENT_BLAME_H_
#define AUTOTP_WORKER_AGENT_BLAME_H_

#include <optional>

#include "absl/time/time.h"
#include "autotp/v1/job.pb.h"

namespace autotp::agent {

bool IsCollateral(const v1::Failure& failure);

class Blame {
 public:
  explicit Blame(absl::Duration patience = absl::Milliseconds(500))
      : patience_(patience) {}

  void Add(const v1::Failure& failure, absl::Time now);
  // Something has failed, decided or not.
  bool any() const { return candidate_.has_value(); }
  // When Decide() will give its answer; infinite future: never, or given.
  absl::Time DecideTime() const;
  // The failure to report: once.
  std::optional<v1::Failure> Decide(absl::Time now);

 private:
  const absl::Duration patience_;
  std::optional<v1::Failure> candidate_;
  absl::Time decide_time_ = absl::InfiniteFuture();
  bool decided_ = false;
};

}  // namespace autotp::agent

#endif  // AUTOTP_WORKER_AGENT_BLAME_H_
