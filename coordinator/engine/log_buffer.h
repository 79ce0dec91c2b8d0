// log_buffer.h -- the newest bytes of one rank's log, in memory.
//
// Bytes have the offsets that they have in the rank's log file.
// Threading: engine thread only.
#ifndef AUTOTP_COORDINATOR_ENGINE_LOG_BUFFER_H_
#define AUTOTP_COORDINATOR_ENGINE_LOG_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include <vector>

#include "absl/strings/string_view.h"

namespace autotp::engine {

class LogBuffer {
 public:
  explicit LogBuffer(size_t bytes_max = 1 << 20) : bytes_max_(bytes_max) {}

  // Bytes that are here already are skipped; after a gap the old ones go.
  void Append(int64_t offset, absl::string_view data);

  int64_t begin() const { return begin_; }
  int64_t end() const { return begin_ + static_cast<int64_t>(bytes_.size()); }
  // Up to `limit` bytes from `offset`, which is moved to begin() if smaller.
  std::string Read(int64_t& offset, size_t limit) const;
  std::vector<std::string> LastLines(size_t lines_max) const;

 private:
  size_t bytes_max_;
  int64_t begin_ = 0;
  std::string bytes_;
};

}  // namespace autotp::engine

#endif  // AUTOTP_COORDINATOR_ENGINE_LOG_BUFFER_H_
