// held.h -- memory that tensors share, and its peak.
//
// Counted by shared pointers, just as LibTorch counts it: a tensor that one
// pointer holds may be written over, views share their memory.
#ifndef AUTOTP_COORDINATOR_PLANNER_HELD_H_
#define AUTOTP_COORDINATOR_PLANNER_HELD_H_

#include <algorithm>
#include <cstdint>
#include <memory>

namespace autotp::planner {

struct Meter {
  int64_t now = 0;
  int64_t peak = 0;
};

class Memory {
 public:
  Memory(Meter* meter, int64_t bytes) : meter_(*meter), bytes_(bytes) {
    meter_.now += bytes_;
    meter_.peak = std::max(meter_.peak, meter_.now);
  }
  ~Memory() { meter_.now -= bytes_; }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

 private:
  Meter& meter_;
  const int64_t bytes_;
};

// Null: memory that is not counted (weights, the program's inputs).
using Held = std::shared_ptr<Memory>;

}  // namespace autotp::planner

#endif  // AUTOTP_COORDINATOR_PLANNER_HELD_H_
