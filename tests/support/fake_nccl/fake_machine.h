// fake_machine.h -- streams of tasks, run in order by whoever touches them.
#ifndef AUTOTP_TESTS_SUPPORT_FAKE_NCCL_FAKE_MACHINE_H_
#define AUTOTP_TESTS_SUPPORT_FAKE_NCCL_FAKE_MACHINE_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>

namespace autotp::fake {

// True when it is over; tried again until then. Runs under the mutex.
using Task = std::function<bool()>;

struct Stream {
  std::deque<Task> tasks;
};

struct Event {
  uint64_t recorded = 0;  // times put on a stream
  uint64_t reached = 0;   // of these, how many have come
};

// One per process, as a GPU is. All state of the fakes is under its mutex.
class Machine {
 public:
  static Machine& Get();

  std::mutex mutex;
  std::condition_variable changed;

  // The functions below want the mutex held.
  Stream* MakeStream();
  void DestroyStream(Stream* stream);
  void Enqueue(Stream* stream, Task task);
  // Runs what can run, of all streams.
  void Advance();

 private:
  std::list<Stream> streams_;
};

// The calling thread's stream.
Stream* CurrentStream();

}  // namespace autotp::fake

#endif  // AUTOTP_TESTS_SUPPORT_FAKE_NCCL_FAKE_MACHINE_H_
