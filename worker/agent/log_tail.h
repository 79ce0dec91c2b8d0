// log_tail.h -- reads a trainer's log: its last lines, and what is new.
//
// Threading: one thread per object; reads block on the local disk only.
#ifndef AUTOTP_WORKER_AGENT_LOG_TAIL_H_
#define AUTOTP_WORKER_AGENT_LOG_TAIL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/support/socket_channel.h"

namespace autotp::agent {

inline constexpr int64_t kLogChunkBytesMax = 256 << 10;
inline constexpr int64_t kLogTailBytesMax = 16 << 10;

// Creates missing folders; appends to a log that is there.
absl::StatusOr<UniqueFd> OpenLog(const std::string& path);

// Up to `bytes_max` bytes from `offset`; empty at the end.
absl::StatusOr<std::string> ReadLog(int descriptor, int64_t offset,
                                    int64_t bytes_max);

// The last `lines_max` lines, from at most the last kLogTailBytesMax bytes
// written since `from`; what is not ASCII becomes "?", since protobuf strings
// must be valid UTF-8 and a log may hold anything.
std::vector<std::string> LastLines(int descriptor, int64_t from, int lines_max);

// Bytes in the log; 0 if it cannot be read.
int64_t LogBytes(int descriptor);

}  // namespace autotp::agent

#endif  // AUTOTP_WORKER_AGENT_LOG_TAIL_H_
