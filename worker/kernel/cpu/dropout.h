// dropout.h -- which numbers dropout keeps.
//
// A counter-based generator, Philox 4x32-10 (Salmon, Moraes, Dror and Shaw,
// "Parallel random numbers: as easy as 1, 2, 3", 2011): 128 bits of counter
// and 64 of key become 128 random bits. The key is the run's seed and the
// operation's stream, the counter a number's place. So nothing is stored, the
// backward and a second forward draw the same, and whoever holds a part of a
// value draws for that part what others would.
//
// A sequence's value is rows of columns. 64 columns share 16 counters, each of
// which gives one number to four of them, 16 apart: straight loops of 16.
//
// Any thread.
#ifndef AUTOTP_WORKER_KERNEL_CPU_DROPOUT_H_
#define AUTOTP_WORKER_KERNEL_CPU_DROPOUT_H_

#include <cstdint>

namespace autotp::kernel {

struct DropoutStream {
  uint64_t key = 0;
  // A number is kept if its 32 random bits are at least this.
  uint64_t threshold = 0;
  float factor = 1.0f;  // of what is kept
};

// REQUIRES: 0 <= probability <= 1.
DropoutStream MakeDropoutStream(uint64_t seed, int64_t stream,
                                double probability);

// factors[i], of column first + i: 0 or the stream's factor. REQUIRES: all
// numbers >= 0, columns below 2^34, rows and sequences below 2^48.
void DropoutFactors(const DropoutStream& stream, int64_t sequence, int64_t row,
                    int64_t first, int64_t count, float* factors);

// Philox 4x32-10 of one counter, in place: for tests, against known values.
void Philox(uint32_t counter[4], uint64_t key);

}  // namespace autotp::kernel

#endif  // AUTOTP_WORKER_KERNEL_CPU_DROPOUT_H_
