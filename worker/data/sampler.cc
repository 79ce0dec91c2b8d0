#include "worker/data/sampler.h"

#include <bit>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "proto/support/check.h"

namespace autotp::data {
namespace {

constexpr int kRounds = 4;

// The finalizer of SplitMix64: every input bit reaches every output bit.
uint64_t Mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

// A permutation of [0, 2^(2 half_bits)).
uint64_t Feistel(uint64_t value, int half_bits, uint64_t key) {
  const uint64_t mask = (uint64_t{1} << half_bits) - 1;
  uint64_t left = value >> half_bits;
  uint64_t right = value & mask;
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t next = left ^ (Mix(key + round * 0x632BE59BD9B4E019ull +
                                      right * 0xD1B54A32D192ED03ull) &
                                  mask);
    left = right;
    right = next;
  }
  return left << half_bits | right;
}

constexpr double kOne = 4294967296.0;  // 2^32: a share of all

// Of the first `count` positions, those that a share has: rounded, so that it
// grows by at most one with each.
int64_t Share(uint64_t share, int64_t count) {
  const uint64_t high = static_cast<uint64_t>(count) >> 32;
  const uint64_t low = static_cast<uint64_t>(count) & 0xFFFFFFFFull;
  return static_cast<int64_t>(high * share +
                              ((low * share + 0x80000000ull) >> 32));
}

// Place `position` of the epochs of a file of `sequences`.
int64_t InFile(const SamplerOptions& options, int64_t sequences,
               int64_t position, uint64_t seed) {
  const uint64_t count = sequences;
  const uint64_t epoch = position / count;
  uint64_t place = position % count;
  if (!options.shuffle) return static_cast<int64_t>(place);
  const int bits = std::bit_width(count - 1);
  const int half_bits = bits < 2 ? 1 : (bits + 1) / 2;
  const uint64_t key = Mix(Mix(seed) ^ epoch);
  do {
    place = Feistel(place, half_bits, key);
  } while (place >= count);  // under four walks on average
  return static_cast<int64_t>(place);
}

}  // namespace

SamplerOptions SamplerOf(const Dataset& dataset, bool shuffle, uint64_t seed) {
  SamplerOptions options;
  options.sequence_count = dataset.sequence_count();
  options.files = dataset.files();
  options.shuffle = shuffle;
  options.seed = seed;
  return options;
}

absl::Status CheckSampler(const SamplerOptions& options) {
  const int64_t per_micro_step =
      options.micro_batch_size * options.data_parallel_size;
  if (per_micro_step < 1 || options.train_batch_size < 1 ||
      options.train_batch_size % per_micro_step != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("train batch ", options.train_batch_size,
                     " is no multiple of micro "
                     "batch ",
                     options.micro_batch_size, " x data-parallel size ",
                     options.data_parallel_size));
  }
  if (options.files.empty() &&
      options.sequence_count < options.train_batch_size) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the data has ", options.sequence_count,
        " sequences, fewer than one "
        "batch of ",
        options.train_batch_size,
        "; give more data, a smaller batch or a shorter sequence length"));
  }
  return absl::OkStatus();
}

int64_t SequenceAt(const SamplerOptions& options, int64_t position) {
  AUTOTP_CHECK(position >= 0 && options.sequence_count > 0, position);
  if (options.files.empty())
    return InFile(options, options.sequence_count, position, options.seed);
  double weight = 0;
  for (const MixedFile& file : options.files) weight += file.weight;
  int64_t first = 0;  // number of the file's first sequence
  size_t i = 0;
  for (; i + 1 < options.files.size(); ++i) {
    const MixedFile& file = options.files[i];
    const auto share =
        static_cast<uint64_t>(std::llround(file.weight / weight * kOne));
    const int64_t before = Share(share, position);
    if (Share(share, position + 1) > before) {
      position = before;
      break;
    }
    position -= before;  // among the files behind
    weight -= file.weight;
    first += file.sequence_count;
  }
  return first + InFile(options, options.files[i].sequence_count, position,
                        Mix(options.seed + i));
}

int64_t FirstPosition(const SamplerOptions& options, int64_t sequences_consumed,
                      int64_t micro_step, int data_parallel_rank) {
  return sequences_consumed +
         (micro_step * options.data_parallel_size + data_parallel_rank) *
             options.micro_batch_size;
}

std::vector<int64_t> MicroBatch(const SamplerOptions& options,
                                int64_t sequences_consumed, int64_t micro_step,
                                int data_parallel_rank) {
  const int64_t first = FirstPosition(options, sequences_consumed, micro_step,
                                      data_parallel_rank);
  std::vector<int64_t> sequences(options.micro_batch_size);
  for (int64_t i = 0; i < options.micro_batch_size; ++i) {
    sequences[i] = SequenceAt(options, first + i);
  }
  return sequences;
}

}  // namespace autotp::data
