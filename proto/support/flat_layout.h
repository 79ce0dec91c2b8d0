// flat_layout.h -- where each parameter lies in the flat buffers.
//
// Parameters follow each other in program order, each from a multiple of 16
// elements, in buckets of whole parameters. Those whose gradients are partial
// over the tensor-parallel group come last, in buckets of their own: such a
// bucket looks the same on every rank of that group. A bucket's length is a
// multiple of 16 times the number of shards; shard s owns its s-th equal part.
//
//   | bucket 0: p0 p1 p2 .. | bucket 1: p3 .. | bucket 2: partial |
//   | shard 0   | shard 1   | 0     | 1       | 0      | 1        |
//
// The worker lays its memory out so; the coordinator counts bytes and
// exchanges by the same layout. Positions are elements of the flat buffer.
// Pure.
#ifndef AUTOTP_PROTO_SUPPORT_FLAT_LAYOUT_H_
#define AUTOTP_PROTO_SUPPORT_FLAT_LAYOUT_H_

#include <cstdint>
#include <vector>

namespace autotp::zero {

struct Range {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
  friend bool operator==(const Range&, const Range&) = default;
};

Range Intersect(const Range& a, const Range& b);

struct FlatParameter {
  int64_t elements = 0;
  bool partial_gradient = false;
};

struct Bucket {
  Range range;
  bool partial_gradient = false;
  std::vector<int> parameters;  // in order of their places
};

// Elements of a bucket, for the size that a configuration asks for (0: none).
// A bucket is never very large whatever is asked: buckets are what lives
// between backward and shard, and what overlaps.
int64_t BucketElements(int64_t configured);

// Elements of one shard in one all-gather, if all shards together may send
// `elements_max` at once (0: any number). One at least.
int64_t GatherPart(int shards, int64_t elements_max);

class FlatLayout {
 public:
  // A bucket takes parameters until the next would take it beyond
  // `bucket_elements`; a larger parameter has one of its own.
  // REQUIRES: shards >= 1.
  FlatLayout(std::vector<FlatParameter> parameters, int shards,
             int64_t bucket_elements);

  int shards() const { return shards_; }
  int64_t elements() const { return elements_; }
  int64_t shard_elements() const { return elements_ / shards_; }
  int parameter_count() const { return static_cast<int>(ranges_.size()); }
  const Range& parameter(int index) const { return ranges_[index]; }
  int bucket_of(int parameter) const { return bucket_of_[parameter]; }
  const std::vector<Bucket>& buckets() const { return buckets_; }

  // What a shard owns of a bucket.
  Range Shard(const Bucket& bucket, int shard) const;
  // Where that begins in an array of the shard's own elements only.
  int64_t ShardOffset(const Bucket& bucket) const {
    return bucket.range.begin / shards_;
  }

 private:
  void Append(int parameter, int64_t bucket_elements, bool partial);
  void CloseBucket();

  const int shards_;
  int64_t elements_ = 0;
  std::vector<FlatParameter> parameters_;
  std::vector<Range> ranges_;
  std::vector<int> bucket_of_;
  std::vector<Bucket> buckets_;
};

}  // namespace autotp::zero

#endif  // AUTOTP_PROTO_SUPPORT_FLAT_LAYOUT_H_
