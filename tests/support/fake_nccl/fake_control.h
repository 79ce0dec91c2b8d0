// fake_control.h -- how a test steers the fake device and the fake NCCL.
//
// libautotp_cuda.so in this folder's build directory is both: the plug-in's
// table (worker/cuda/device_api.h) and NCCL's functions, on host memory,
// between threads of one process. Streams and events keep CUDA's order, no
// call blocks, and a call under way ends only when all ranks have come or its
// communicator is aborted.
#ifndef AUTOTP_TESTS_SUPPORT_FAKE_NCCL_FAKE_CONTROL_H_
#define AUTOTP_TESTS_SUPPORT_FAKE_NCCL_FAKE_CONTROL_H_

extern "C" {

enum FakeNcclFault {
  kFakeNoFault = 0,
  kFakeStuckInit = 1,   // the rank never finishes forming
  kFakeCallFails = 2,   // its next collective returns ncclInternalError
  kFakeAsyncError = 3,  // its next collective fails later, ncclSystemError
  kFakeStuckCall = 4,   // its next collective never comes on the device
};

// Once, for the next communicator or call of `rank`.
void fake_nccl_inject(int rank, FakeNcclFault fault);
// Waits for the calling thread's current stream; 0 if it did not end in time.
int fake_device_synchronize(int timeout_ms);
// Communicators that were made and neither destroyed nor aborted.
int fake_nccl_live_communicators();

}  // extern "C"

#endif  // AUTOTP_TESTS_SUPPORT_FAKE_NCCL_FAKE_CONTROL_H_
