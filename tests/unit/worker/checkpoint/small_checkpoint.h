// small_checkpoint.h -- checkpoints of a small model at any layout.
//
// The value of element i of a parameter's state is a function of all three, so
// that a reader at another layout knows what it has to find.
#ifndef AUTOTP_TESTS_UNIT_WORKER_CHECKPOINT_SMALL_CHECKPOINT_H_
#define AUTOTP_TESTS_UNIT_WORKER_CHECKPOINT_SMALL_CHECKPOINT_H_

#include <algorithm>
#include <string>
#include <vector>

#include "worker/checkpoint/manifest.h"
#include "worker/checkpoint/part.h"
#include "worker/checkpoint/slice.h"

namespace autotp::checkpoint {

struct SmallParameter {
  std::string name;
  Shape shape;
  int cut_dim = -1;
  std::vector<std::vector<Range>> ranks;  // [tp rank]
  std::vector<std::string> aliases;
};

// Two fused blocks cut apart, a row cut, a replicated norm, uneven sizes, and
// heads that ranks share when there are fewer of them than ranks.
inline std::vector<SmallParameter> SmallModel(int tensor_parallel_size) {
  const int tp = tensor_parallel_size;
  std::vector<SmallParameter> model = {
      {"embed.weight", {10, 4}, 0, {}, {"head.weight"}},
      {"fused.weight", {12, 4}, 0, {}, {}},
      {"down.weight", {4, 7}, 1, {}, {}},
      {"kv.weight", {4, 3}, 0, {}, {}},
      {"norm.weight", {5}, -1, {}, {}},
  };
  for (int rank = 0; rank < tp; ++rank) {
    const auto share = [&](int64_t begin, int64_t length) {
      return Range{begin + length * rank / tp,
                   begin + length * (rank + 1) / tp};
    };
    model[0].ranks.push_back({share(0, 10)});
    model[1].ranks.push_back({share(0, 8), share(8, 4)});
    model[2].ranks.push_back({share(0, 7)});
    const int64_t head = rank * 2 / tp;  // two heads of two rows
    model[3].ranks.push_back(
        tp <= 2 ? std::vector<Range>{share(0, 4)}
                : std::vector<Range>{{head * 2, head * 2 + 2}});
  }
  return model;
}

inline Slice SliceAt(const SmallParameter& parameter, int tp_rank) {
  Slice slice;
  slice.cut_dim = parameter.cut_dim;
  if (slice.cut_dim >= 0) slice.intervals = parameter.ranks[tp_rank];
  return slice;
}

inline float ValueAt(const std::string& state, const std::string& name,
                     int64_t index) {
  return static_cast<float>(index) + 1000.0f * name.size() +
         (state == kWeight     ? 0.25f
          : state == "exp_avg" ? 0.5f
                               : 0.75f);
}

inline std::vector<float> ValuesOf(const SmallParameter& parameter,
                                   const std::string& state, const Slice& slice,
                                   Range local) {
  std::vector<float> values(local.size());
  (void)ForEachRun(parameter.shape, slice, local, [&](Run run) {
    for (int64_t i = 0; i < run.count; ++i) {
      values[run.local - local.begin + i] =
          ValueAt(state, parameter.name, run.global + i);
    }
    return absl::OkStatus();
  });
  return values;
}

// What data-parallel rank `rank` of `size` owns of `count` elements.
inline Range OwnedRange(int64_t count, int rank, int size) {
  return {count * rank / size, count * (rank + 1) / size};
}

// Writes all parts; the manifest too if `commit`. Each range goes in two
// pieces, as from two buckets.
inline v1::Manifest WriteSmallCheckpoint(const std::string& folder, int tp,
                                         int dp, bool commit = true) {
  const std::vector<SmallParameter> model = SmallModel(tp);
  v1::Manifest manifest;
  manifest.set_format_version(kManifestVersion);
  manifest.set_step(7);
  manifest.set_tensor_parallel_size(tp);
  manifest.set_data_parallel_size(dp);
  manifest.set_trained_dtype(v1::DATA_TYPE_FLOAT32);
  for (const SmallParameter& parameter : model) {
    v1::ParameterRecord* record = manifest.add_parameters();
    record->set_name(parameter.name);
    record->set_cut_dim(parameter.cut_dim);
    for (const int64_t length : parameter.shape) record->add_shape(length);
    for (const std::string& alias : parameter.aliases)
      record->add_aliases(alias);
    for (const auto& intervals : parameter.ranks) {
      v1::IntervalList* list = record->add_ranks();
      for (const Range& interval : intervals) {
        list->add_intervals()->set_begin(interval.begin);
        list->mutable_intervals(list->intervals_size() - 1)
            ->set_end(interval.end);
      }
    }
  }
  for (int rank = 0; rank < tp * dp; ++rank) {
    std::vector<std::vector<float>> kept;
    std::vector<Piece> pieces;
    for (const SmallParameter& parameter : model) {
      const Slice slice = SliceAt(parameter, rank % tp);
      const Range owned =
          OwnedRange(ElementCount(parameter.shape, slice), rank / tp, dp);
      const int64_t middle = owned.begin + owned.size() / 3;
      for (const char* state : {kWeight, "exp_avg", "exp_avg_sq"}) {
        for (const Range range :
             {Range{owned.begin, middle}, Range{middle, owned.end}}) {
          kept.push_back(ValuesOf(parameter, state, slice, range));
          pieces.push_back({state, parameter.name, range, kept.back().data()});
        }
      }
    }
    *manifest.add_parts() = WritePart(folder, rank, pieces).value();
  }
  if (commit) (void)WriteManifest(folder, manifest).value();
  return manifest;
}

}  // namespace autotp::checkpoint

#endif  // AUTOTP_TESTS_UNIT_WORKER_CHECKPOINT_SMALL_CHECKPOINT_H_
