// fake_clock.h -- a clock that moves when the test says so.
#ifndef AUTOTP_TESTS_SUPPORT_FAKE_CLOCK_H_
#define AUTOTP_TESTS_SUPPORT_FAKE_CLOCK_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "proto/support/clock.h"

namespace autotp::testing {

class FakeClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixNanos(now_); }
  void Advance(absl::Duration by) { now_ += absl::ToInt64Nanoseconds(by); }

 private:
  std::atomic<int64_t> now_ = 1'700'000'000'000'000'000;
};

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_SUPPORT_FAKE_CLOCK_H_
