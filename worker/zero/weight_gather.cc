#include "worker/zero/weight_gather.h"

#include <algorithm>
#include <cstring>

#include "proto/support/status_macros.h"

namespace autotp::zero {

using collective::Buffer;

absl::StatusOr<WeightGather> WeightGather::Create(
    const FlatLayout& layout, collective::Communicator* group,
    collective::ElementType type, int64_t elements_max) {
  WeightGather gather;
  gather.group_ = group;
  gather.type_ = type;
  for (const Bucket& bucket : layout.buckets()) {
    gather.part_max_ =
        std::max(gather.part_max_, bucket.range.size() / layout.shards());
  }
  const int64_t limit = GatherPart(layout.shards(), elements_max);
  if (limit >= gather.part_max_) return gather;
  gather.part_max_ = limit;
  AUTOTP_ASSIGN_OR_RETURN(
      gather.arrived_,
      HostMemory::Allocate(limit * layout.shards() * collective::SizeOf(type)));
  return gather;
}

absl::Status WeightGather::Gather(const Bucket& bucket, void* weights) {
  const int64_t size = collective::SizeOf(type_);
  const int64_t shards = group_->size();
  const int64_t part = bucket.range.size() / shards;
  char* whole = static_cast<char*>(weights) + bucket.range.begin * size;
  char* own = whole + group_->rank() * part * size;
  if (part <= part_max_) {
    return group_
        ->AllGather({own, part, type_}, {whole, bucket.range.size(), type_})
        ->Wait();
  }
  char* arrived = static_cast<char*>(arrived_.data());
  for (int64_t at = 0; at < part; at += part_max_) {
    const int64_t count = std::min(part_max_, part - at);
    AUTOTP_RETURN_IF_ERROR(group_
                               ->AllGather({own + at * size, count, type_},
                                           {arrived, count * shards, type_})
                               ->Wait());
    for (int64_t shard = 0; shard < shards; ++shard) {
      std::memcpy(whole + (shard * part + at) * size,
                  arrived + shard * count * size, count * size);
    }
  }
  return absl::OkStatus();
}

}  // namespace autotp::zero
