#include "worker/cuda/device_api.h"

#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

namespace {

cudaStream_t Stream(void* stream) { return static_cast<cudaStream_t>(stream); }
cudaEvent_t Event(void* event) { return static_cast<cudaEvent_t>(event); }

int DeviceCount(int* count) { return cudaGetDeviceCount(count); }
int CurrentDevice(int* device) { return cudaGetDevice(device); }
int SetDevice(int device) { return cudaSetDevice(device); }

void* CurrentStream() { return c10::cuda::getCurrentCUDAStream().stream(); }

int CreateStream(void** stream) {
  cudaStream_t made = nullptr;
  const cudaError_t error =
      cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking);
  *stream = made;
  return error;
}
void DestroyStream(void* stream) { cudaStreamDestroy(Stream(stream)); }

int CreateEvent(void** event) {
  cudaEvent_t made = nullptr;
  const cudaError_t error =
      cudaEventCreateWithFlags(&made, cudaEventDisableTiming);
  *event = made;
  return error;
}
void DestroyEvent(void* event) { cudaEventDestroy(Event(event)); }

int Record(void* event, void* stream) {
  return cudaEventRecord(Event(event), Stream(stream));
}
int Wait(void* stream, void* event) {
  return cudaStreamWaitEvent(Stream(stream), Event(event), 0);
}
int Query(void* event) {
  const cudaError_t error = cudaEventQuery(Event(event));
  return error == cudaErrorNotReady ? kAutotpDeviceNotReady : error;
}

int Allocate(void** memory, size_t bytes) { return cudaMalloc(memory, bytes); }
void Release(void* memory) { cudaFree(memory); }

const char* ErrorText(int code) {
  return cudaGetErrorString(static_cast<cudaError_t>(code));
}

constexpr AutotpDeviceApi kApi{kAutotpDeviceVersion,
                               DeviceCount,
                               CurrentDevice,
                               SetDevice,
                               CurrentStream,
                               CreateStream,
                               DestroyStream,
                               CreateEvent,
                               DestroyEvent,
                               Record,
                               Wait,
                               Query,
                               Allocate,
                               Release,
                               ErrorText};

}  // namespace

extern "C" __attribute__((visibility("default"))) const AutotpDeviceApi*
autotp_device_api() {
  return &kApi;
}
