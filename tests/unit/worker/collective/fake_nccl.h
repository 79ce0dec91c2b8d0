// fake_nccl.h -- the controls of tests/support/fake_nccl, as loaded.
#ifndef AUTOTP_TESTS_UNIT_WORKER_COLLECTIVE_FAKE_NCCL_H_
#define AUTOTP_TESTS_UNIT_WORKER_COLLECTIVE_FAKE_NCCL_H_

#include <dlfcn.h>

#include <string>

#include "proto/support/check.h"
#include "tests/support/fake_nccl/fake_control.h"
#include "worker/collective/factory.h"

namespace autotp::collective {

inline const std::string kFakeNcclLibrary =
    std::string(AUTOTP_TEST_FAKE_NCCL) + "/libautotp_cuda.so";

inline void UseFakeNccl(GroupOptions& options) {
  options.plugin_directory = AUTOTP_TEST_FAKE_NCCL;
  options.nccl_library = kFakeNcclLibrary;
}

// FakeNccl<decltype(fake_nccl_inject)>("fake_nccl_inject")(...)
template <typename Function>
Function* FakeNccl(const char* name) {
  void* library = dlopen(kFakeNcclLibrary.c_str(), RTLD_NOW | RTLD_LOCAL);
  AUTOTP_CHECK(library != nullptr, dlerror());
  return reinterpret_cast<Function*>(dlsym(library, name));
}

inline void InjectFault(int rank, FakeNcclFault fault) {
  FakeNccl<decltype(fake_nccl_inject)>("fake_nccl_inject")(rank, fault);
}
// Whether the current stream came to its end within 10 seconds.
inline bool SynchronizeFake() {
  return FakeNccl<decltype(fake_device_synchronize)>("fake_device_synchronize")(
             10'000) != 0;
}
inline int LiveCommunicators() {
  return FakeNccl<decltype(fake_nccl_live_communicators)>(
      "fake_nccl_live_communicators")();
}

}  // namespace autotp::collective

#endif  // AUTOTP_TESTS_UNIT_WORKER_COLLECTIVE_FAKE_NCCL_H_
