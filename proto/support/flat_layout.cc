#include "proto/support/flat_layout.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace autotp::zero {
namespace {

constexpr int64_t kAlignment = 16;  // elements; 64 bytes of fp32
constexpr int64_t kLargestBucket = 4 << 20;

int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

Range Intersect(const Range& a, const Range& b) {
  const int64_t begin = std::max(a.begin, b.begin);
  return {begin, std::max(begin, std::min(a.end, b.end))};
}

int64_t BucketElements(int64_t configured) {
  return configured <= 0 ? kLargestBucket
                         : std::min(configured, kLargestBucket);
}

int64_t GatherPart(int shards, int64_t elements_max) {
  if (elements_max <= 0) return std::numeric_limits<int64_t>::max();
  return std::max<int64_t>(1, elements_max / shards);
}

FlatLayout::FlatLayout(std::vector<FlatParameter> parameters, int shards,
                       int64_t bucket_elements)
    : shards_(shards), parameters_(std::move(parameters)) {
  ranges_.resize(parameters_.size());
  bucket_of_.resize(parameters_.size());
  for (const bool partial : {false, true}) {
    for (size_t i = 0; i < parameters_.size(); ++i) {
      if (parameters_[i].partial_gradient == partial)
        Append(static_cast<int>(i), bucket_elements, partial);
    }
    CloseBucket();
  }
}

void FlatLayout::Append(int parameter, int64_t bucket_elements, bool partial) {
  const int64_t size = parameters_[parameter].elements;
  const bool open = !buckets_.empty() && buckets_.back().range.end < 0;
  if (open) {
    const int64_t filled = elements_ - buckets_.back().range.begin;
    if (filled > 0 && filled + size > bucket_elements) CloseBucket();
  }
  if (buckets_.empty() || buckets_.back().range.end >= 0) {
    Bucket bucket;
    bucket.range = {elements_, -1};
    bucket.partial_gradient = partial;
    buckets_.push_back(std::move(bucket));
  }
  ranges_[parameter] = {elements_, elements_ + size};
  bucket_of_[parameter] = static_cast<int>(buckets_.size()) - 1;
  buckets_.back().parameters.push_back(parameter);
  elements_ += RoundUp(size, kAlignment);
}

void FlatLayout::CloseBucket() {
  if (buckets_.empty() || buckets_.back().range.end >= 0) return;
  Bucket& bucket = buckets_.back();
  bucket.range.end =
      bucket.range.begin +
      RoundUp(elements_ - bucket.range.begin, kAlignment * shards_);
  elements_ = bucket.range.end;
}

Range FlatLayout::Shard(const Bucket& bucket, int shard) const {
  const int64_t length = bucket.range.size() / shards_;
  const int64_t begin = bucket.range.begin + shard * length;
  return {begin, begin + length};
}

}  // namespace autotp::zero
