// sampler.h -- which sequences go into which micro-batch.
//
// Flow: feed.h -> MicroBatch() -> dataset.h reads those sequences.
//
// The order of sequences goes on over the epochs without a gap: position p is
// place p % N of epoch p / N, so that nothing is repeated or dropped where an
// epoch ends inside a batch. Within an epoch the order is the file's, or a
// permutation that depends on the seed and the epoch only: a balanced Feistel
// network of four rounds over the next power of four, walked until it lands
// below N. Nothing is stored; any position is found at once.
//
// Several files are mixed by their weights: after any number of positions each
// file has had its share of them, to within one for each file before it. Every
// file has its own epochs and permutations. What a position means is a
// division in fixed point, so that this too is found at once.
//
// Pure: same options and position, same sequences, on every machine.
#ifndef AUTOTP_WORKER_DATA_SAMPLER_H_
#define AUTOTP_WORKER_DATA_SAMPLER_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "worker/data/dataset.h"

namespace autotp::data {

struct SamplerOptions {
  int64_t sequence_count = 0;    // N, of the data set
  std::vector<MixedFile> files;  // of the data set; empty: one
  int64_t train_batch_size = 0;  // sequences per optimizer step
  int64_t micro_batch_size = 0;  // sequences per rank and micro-step
  int data_parallel_size = 1;
  bool shuffle = false;
  uint64_t seed = 0;
};

// Of `dataset`; the sizes of a batch are left to the caller.
SamplerOptions SamplerOf(const Dataset& dataset, bool shuffle, uint64_t seed);

// INVALID_ARGUMENT: fewer sequences than one batch, or sizes that do not make
// train = micro x accumulation x data-parallel.
absl::Status CheckSampler(const SamplerOptions& options);

// The sequence at `position` of the order. REQUIRES: position >= 0, N > 0.
int64_t SequenceAt(const SamplerOptions& options, int64_t position);

// Where a micro-step of a data-parallel rank begins in the order:
// sequences_consumed + (micro_step * dp + dp_rank) * micro.
// `sequences_consumed` is the data position at the start of the optimizer
// step; it grows by train_batch_size with each.
int64_t FirstPosition(const SamplerOptions& options, int64_t sequences_consumed,
                      int64_t micro_step, int data_parallel_rank);

// The sequences from there on, as many as a micro-batch has.
std::vector<int64_t> MicroBatch(const SamplerOptions& options,
                                int64_t sequences_consumed, int64_t micro_step,
                                int data_parallel_rank);

}  // namespace autotp::data

#endif  // AUTOTP_WORKER_DATA_SAMPLER_H_
