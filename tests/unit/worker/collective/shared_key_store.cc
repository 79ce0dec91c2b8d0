#include "tests/unit/worker/collective/shared_key_store.h"

#include <pthread.h>
#include <sys/mman.h>

#include <cstring>
#include <new>

#include "absl/time/clock.h"
#include "proto/support/check.h"

namespace autotp::collective {

struct SharedKeyStore::Table {
  static constexpr int kSlots = 64;
  struct Slot {
    char key[120];
    char value[4000];
    int size;
  };
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int used;
  Slot slots[kSlots];
};

SharedKeyStore::SharedKeyStore() {
  void* memory = mmap(nullptr, sizeof(Table), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  AUTOTP_CHECK(memory != MAP_FAILED);
  table_ = new (memory) Table;
  pthread_mutexattr_t mutex_attributes;
  pthread_mutexattr_init(&mutex_attributes);
  pthread_mutexattr_setpshared(&mutex_attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(&table_->mutex, &mutex_attributes);
  pthread_condattr_t condition_attributes;
  pthread_condattr_init(&condition_attributes);
  pthread_condattr_setpshared(&condition_attributes, PTHREAD_PROCESS_SHARED);
  pthread_cond_init(&table_->changed, &condition_attributes);
}

SharedKeyStore::~SharedKeyStore() { munmap(table_, sizeof(Table)); }

absl::Status SharedKeyStore::Set(const std::string& key,
                                 const std::string& value) {
  pthread_mutex_lock(&table_->mutex);
  AUTOTP_CHECK(table_->used < Table::kSlots);
  Table::Slot& slot = table_->slots[table_->used];
  AUTOTP_CHECK(key.size() < sizeof(slot.key) &&
               value.size() <= sizeof(slot.value));
  std::memcpy(slot.key, key.c_str(), key.size() + 1);
  std::memcpy(slot.value, value.data(), value.size());
  slot.size = static_cast<int>(value.size());
  ++table_->used;
  pthread_cond_broadcast(&table_->changed);
  pthread_mutex_unlock(&table_->mutex);
  return absl::OkStatus();
}

absl::StatusOr<std::string> SharedKeyStore::Get(const std::string& key,
                                                absl::Duration timeout) {
  const timespec until = absl::ToTimespec(absl::Now() + timeout);
  pthread_mutex_lock(&table_->mutex);
  absl::StatusOr<std::string> answer =
      absl::DeadlineExceededError("no key " + key);
  for (int i = 0;; ++i) {
    if (i < table_->used) {
      const Table::Slot& slot = table_->slots[i];
      if (key != slot.key) continue;
      answer = std::string(slot.value, slot.size);
      break;
    }
    if (pthread_cond_timedwait(&table_->changed, &table_->mutex, &until) != 0) {
      break;
    }
    --i;  // look at the entries that came
  }
  pthread_mutex_unlock(&table_->mutex);
  return answer;
}

}  // namespace autotp::collective
