// admission.h -- decides whether a job gets all of its slots now, or why not.
//
// Flow: schedule.cc calls DecideGang() for each waiting job, in order; the
// seats become the ranks of an attempt, the reason the job's state message.
//
// A gang is all or nothing. The ranks of a tensor-parallel group always sit
// on one worker; devices are never mixed. Pure: same offers, same answer.
#ifndef AUTOTP_COORDINATOR_CORE_ADMISSION_H_
#define AUTOTP_COORDINATOR_CORE_ADMISSION_H_

#include <cstdint>
#include <string>
#include <vector>

namespace autotp::core {

// What one worker has to give.
struct Offer {
  std::string worker;
  std::string device;               // "cpu", "cuda"
  std::vector<int32_t> free_slots;  // ascending
};

struct GangRequest {
  int world_size = 0;
  int tensor_parallel_size = 1;  // divides world_size
};

struct Seat {
  std::string worker;
  int32_t slot = 0;
};

struct GangDecision {
  bool admitted = false;
  std::vector<Seat> seats;  // [rank]; empty unless admitted
  std::string reason;       // one line for people
};

// Takes as few workers as it can, and the fullest that still fit, so that
// large free hosts stay whole for large jobs.
// REQUIRES: 1 <= tensor_parallel_size, a divisor of world_size.
GangDecision DecideGang(const GangRequest& request,
                        const std::vector<Offer>& offers);

}  // namespace autotp::core

#endif  // AUTOTP_COORDINATOR_CORE_ADMISSION_H_
