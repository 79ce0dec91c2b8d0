// device_api.h -- the C table through which a device is reached.
//
// One worker build serves machines with and without a GPU: what needs CUDA
// lies in libautotp_cuda.so, which is loaded when a GPU slot is used. Streams
// and events cross as opaque pointers. Functions return 0 or CUDA's error
// code, for error_text. Threading: thread-safe; the current device and the
// current stream belong to the calling thread.
#ifndef AUTOTP_WORKER_CUDA_DEVICE_API_H_
#define AUTOTP_WORKER_CUDA_DEVICE_API_H_

#include <cstddef>
#include <cstdint>

extern "C" {

inline constexpr uint32_t kAutotpDeviceVersion = 1;
// What `query` returns for an event that is still to come.
inline constexpr int kAutotpDeviceNotReady = -1;

struct AutotpDeviceApi {
  uint32_t version;
  int (*device_count)(int* count);
  int (*current_device)(int* device);
  int (*set_device)(int device);
  // The stream on which LibTorch's operations of this thread run.
  void* (*current_stream)();
  int (*create_stream)(void** stream);
  void (*destroy_stream)(void* stream);
  int (*create_event)(void** event);
  void (*destroy_event)(void* event);
  int (*record)(void* event, void* stream);
  // Work put on `stream` from now on waits for `event`; the host does not.
  int (*wait)(void* stream, void* event);
  int (*query)(void* event);
  int (*allocate)(void** memory, size_t bytes);
  void (*release)(void* memory);
  const char* (*error_text)(int code);
};

// The one symbol of the library: autotp_device_api.
using AutotpDeviceApiFunction = const AutotpDeviceApi*();

}  // extern "C"

#endif  // AUTOTP_WORKER_CUDA_DEVICE_API_H_
