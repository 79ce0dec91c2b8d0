#include "worker/agent/blame.h"

namespace autotp::agent {

bool IsCollateral(const v1::Failure& failure) {
  return failure.reason() == v1::FAILURE_REASON_COLLECTIVE &&
         failure.signal() == 0;
}

void Blame::Add(const v1::Failure& failure, absl::Time now) {
  if (decided_) return;
  const bool collateral = IsCollateral(failure);
  if (candidate_.has_value() && (collateral || !IsCollateral(*candidate_))) {
    return;  // the earlier one stands
  }
  candidate_ = failure;
  decide_time_ = collateral ? now + patience_ : now;
}

absl::Time Blame::DecideTime() const {
  return decided_ ? absl::InfiniteFuture() : decide_time_;
}

std::optional<v1::Failure> Blame::Decide(absl::Time now) {
  if (now < DecideTime()) return std::nullopt;
  decided_ = true;
  return candidate_;
}

}  // namespace autotp::agent
