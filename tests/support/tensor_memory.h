// tensor_memory.h -- how much memory the tensors of each thread hold, for tests
// that compare it with an estimate.
//
// MeterTensorMemory() puts a counting allocator before LibTorch's own; a
// block counts for the thread that asked for it, wherever it is freed.
#ifndef AUTOTP_TESTS_SUPPORT_TENSOR_MEMORY_H_
#define AUTOTP_TESTS_SUPPORT_TENSOR_MEMORY_H_

#include <cstdint>

namespace autotp::testing {

// Idempotent; for the rest of the process.
void MeterTensorMemory();

// Of the calling thread.
void ForgetTensorPeak();    // the peak is what is held now
int64_t TensorPeakBytes();  // since then

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_SUPPORT_TENSOR_MEMORY_H_
