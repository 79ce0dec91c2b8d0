#include "worker/agent/log_upload.h"

#include <utility>

#include "spdlog/spdlog.h"
#include "worker/agent/log_tail.h"

namespace autotp::agent {

LogUpload::LogUpload(Session& session, AttemptKey attempt, int rank,
                     UniqueFd log, int64_t begin)
    : session_(session),
      attempt_(std::move(attempt)),
      rank_(rank),
      log_(std::move(log)),
      begin_(begin),
      offset_(begin) {}

bool LogUpload::drained() const {
  return ended_ || (!out_ && offset_ >= LogBytes(log_.get()));
}

void LogUpload::Pump() {
  if (out_ || ended_ || !session_.registered()) return;
  absl::StatusOr<std::string> data =
      ReadLog(log_.get(), offset_, kLogChunkBytesMax);
  if (!data.ok()) {
    spdlog::warn("{} rank {}: log upload ends: {}", Describe(attempt_), rank_,
                 data.status().ToString());
    ended_ = true;
    return;
  }
  if (data->empty()) return;
  out_ = true;
  const int64_t sent_to = offset_ + static_cast<int64_t>(data->size());
  v1::UploadLogsRequest request;
  request.set_rank(rank_);
  request.set_offset(offset_);
  request.set_data(*std::move(data));
  CallOptions options;
  options.owner = weak_from_this();
  session_.Call(
      session_.client().worker(), &WorkerCalls::UploadLogs, attempt_,
      std::move(request), options,
      std::function<void(absl::StatusOr<v1::UploadLogsResponse>)>(
          [this, sent_to](const auto& answer) { OnAnswer(sent_to, answer); }));
}

void LogUpload::OnAnswer(int64_t sent_to,
                         const absl::StatusOr<v1::UploadLogsResponse>& answer) {
  out_ = false;
  if (!answer.ok()) {
    ended_ = true;  // fenced, or a coordinator that keeps no logs
    return;
  }
  // Forward only: an answer that stays behind must not make us send forever.
  offset_ = std::max(sent_to, answer->next_offset());
  if (offset_ < LogBytes(log_.get())) Pump();
}

}  // namespace autotp::agent
