#include "coordinator/engine/log_buffer.h"

#include <algorithm>

#include "absl/strings/str_split.h"

namespace autotp::engine {

void LogBuffer::Append(int64_t offset, absl::string_view data) {
  if (offset > end() || offset < 0) {
    begin_ = std::max<int64_t>(offset, 0);
    bytes_.clear();
  }
  const int64_t known = end() - offset;
  if (known >= static_cast<int64_t>(data.size())) return;
  data.remove_prefix(static_cast<size_t>(known));
  bytes_.append(data.data(), data.size());
  // Cut in large pieces: each cut moves the whole buffer.
  if (bytes_.size() > bytes_max_ + bytes_max_ / 4) {
    const size_t surplus = bytes_.size() - bytes_max_;
    bytes_.erase(0, surplus);
    begin_ += static_cast<int64_t>(surplus);
  }
}

std::string LogBuffer::Read(int64_t& offset, size_t limit) const {
  offset = std::max(offset, begin_);
  if (offset >= end()) return "";
  return bytes_.substr(static_cast<size_t>(offset - begin_), limit);
}

std::vector<std::string> LogBuffer::LastLines(size_t lines_max) const {
  absl::string_view text = bytes_;
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  size_t from = text.size();
  for (size_t lines = 0; lines < lines_max && from != absl::string_view::npos;
       ++lines) {
    if (from == 0) break;
    from = text.rfind('\n', from - 1);
  }
  if (from != absl::string_view::npos && from < text.size()) {
    text.remove_prefix(text[from] == '\n' ? from + 1 : from);
  }
  if (text.empty() || lines_max == 0) return {};
  return absl::StrSplit(text, '\n');
}

}  // namespace autotp::engine
