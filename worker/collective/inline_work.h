// inline_work.h -- a collective that was over when its call returned.
#ifndef AUTOTP_WORKER_COLLECTIVE_INLINE_WORK_H_
#define AUTOTP_WORKER_COLLECTIVE_INLINE_WORK_H_

#include <memory>
#include <utility>

#include "worker/collective/communicator.h"

namespace autotp::collective {

class InlineWork final : public Work {
 public:
  explicit InlineWork(absl::Status status) : status_(std::move(status)) {}
  absl::Status Wait() override { return status_; }

 private:
  absl::Status status_;
};

inline std::unique_ptr<Work> Done(absl::Status status) {
  return std::make_unique<InlineWork>(std::move(status));
}

}  // namespace autotp::collective

#endif  // AUTOTP_WORKER_COLLECTIVE_INLINE_WORK_H_
