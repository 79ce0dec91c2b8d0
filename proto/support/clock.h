// clock.h -- time as an argument, so that tests own theirs.
#ifndef AUTOTP_PROTO_SUPPORT_CLOCK_H_
#define AUTOTP_PROTO_SUPPORT_CLOCK_H_

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace autotp {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;
};

class RealClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

}  // namespace autotp

#endif  // AUTOTP_PROTO_SUPPORT_CLOCK_H_
