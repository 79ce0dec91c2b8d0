#include "coordinator/store/memory_store.h"

namespace autotp::store {
namespace {

class MemoryStore final : public StateStore {
 public:
  explicit MemoryStore(std::shared_ptr<MemoryDisk> disk)
      : disk_(std::move(disk)), identity_{disk_->cluster_uid, disk_->epoch} {}

  ~MemoryStore() override { disk_->open = false; }

  const core::Identity& identity() const override { return identity_; }

  absl::Status Commit(const std::vector<core::Write>& writes) override {
    if (disk_->broken) return absl::UnavailableError("the disk is broken");
    for (const core::Write& write : writes) {
      if (write.value) {
        disk_->rows[{write.table, write.key}] = *write.value;
      } else {
        disk_->rows.erase({write.table, write.key});
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<core::Row>> ReadAll() override {
    if (disk_->broken) return absl::UnavailableError("the disk is broken");
    std::vector<core::Row> rows;
    for (const auto& [key, value] : disk_->rows) {
      rows.push_back({key.first, key.second, value});
    }
    return rows;
  }

 private:
  const std::shared_ptr<MemoryDisk> disk_;
  const core::Identity identity_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<StateStore>> OpenMemoryStore(
    std::shared_ptr<MemoryDisk> disk, const std::string& new_uid) {
  if (disk->open) {
    return absl::FailedPreconditionError("the store is open already");
  }
  if (disk->cluster_uid.empty()) disk->cluster_uid = new_uid;
  ++disk->epoch;
  disk->open = true;
  return std::unique_ptr<StateStore>(
      std::make_unique<MemoryStore>(std::move(disk)));
}

}  // namespace autotp::store
