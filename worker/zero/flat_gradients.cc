#include "worker/zero/flat_gradients.h"

#include <algorithm>
#include <utility>

#include "proto/support/check.h"
#include "proto/support/status_macros.h"
#include "worker/optimizer/adam.h"
#include "worker/zero/rounding.h"

namespace autotp::zero {
namespace {

using collective::Buffer;
using collective::ElementType;
using collective::Reduction;

constexpr int64_t kGrain = 32 << 10;      // elements worth a thread
constexpr int64_t kNormPiece = 64 << 10;  // elements summed as one

// A 16-bit buffer is widened piece by piece.
double SumOfSquares(const void* values, ElementType type, int64_t count) {
  if (type == ElementType::kFloat32)
    return optimizer::SumOfSquares(static_cast<const float*>(values), count);
  constexpr int64_t kPiece = 1024;
  float floats[kPiece];
  double sum = 0;
  for (int64_t at = 0; at < count; at += kPiece) {
    const int64_t size = std::min(kPiece, count - at);
    Widen(static_cast<const uint16_t*>(values) + at, size, type, floats);
    sum += optimizer::SumOfSquares(floats, size);
  }
  return sum;
}

}  // namespace

FlatGradients::FlatGradients(const FlatLayout& layout,
                             const FlatGradientOptions& options)
    : layout_(layout),
      options_(options),
      data_rank_(options.data_group == nullptr ? 0
                                               : options.data_group->rank()),
      data_size_(options.data_group == nullptr ? 1
                                               : options.data_group->size()) {}

absl::StatusOr<std::unique_ptr<FlatGradients>> FlatGradients::Create(
    const FlatLayout& layout, const FlatGradientOptions& options) {
  std::unique_ptr<FlatGradients> gradients(new FlatGradients(layout, options));
  AUTOTP_RETURN_IF_ERROR(gradients->Allocate());
  return gradients;
}

absl::Status FlatGradients::Allocate() {
  const ElementType type = options_.type;
  const ElementType exchange = options_.exchange_type;
  for (const Bucket& bucket : layout_.buckets())
    largest_bucket_ = std::max(largest_bucket_, bucket.range.size());
  AUTOTP_ASSIGN_OR_RETURN(
      memory_,
      HostMemory::Allocate((options_.zero_stage == 2 ? layout_.shard_elements()
                                                     : layout_.elements()) *
                           collective::SizeOf(type)));
  if (exchange != type ||
      (options_.zero_stage == 2 && exchange != ElementType::kFloat32)) {
    AUTOTP_ASSIGN_OR_RETURN(
        exchanged_,
        HostMemory::Allocate(largest_bucket_ * collective::SizeOf(exchange)));
  }
  if (type != ElementType::kFloat32) {
    AUTOTP_ASSIGN_OR_RETURN(widened_, TakeBucketMemory());
  }
  const size_t buckets = layout_.buckets().size();
  written_.resize(layout_.parameter_count());
  begun_.resize(buckets);
  pending_.resize(buckets);
  buckets_.resize(buckets);
  return absl::OkStatus();
}

bool FlatGradients::IsDirect() const {
  return options_.zero_stage != 2 && options_.type == ElementType::kFloat32;
}

Range FlatGradients::Own(const Bucket& bucket) const {
  return options_.zero_stage == 0 ? bucket.range
                                  : layout_.Shard(bucket, data_rank_);
}

void* FlatGradients::At(int64_t position, const Bucket& bucket) const {
  const int64_t index = options_.zero_stage == 2
                            ? layout_.ShardOffset(bucket) + position -
                                  layout_.Shard(bucket, data_rank_).begin
                            : position;
  return static_cast<char*>(memory_.data()) +
         index * collective::SizeOf(options_.type);
}

// The largest bucket fits any: memory goes round without being remapped.
absl::StatusOr<HostMemory> FlatGradients::TakeBucketMemory() {
  if (!spare_.empty()) return std::exchange(spare_, HostMemory());
  return HostMemory::Allocate(largest_bucket_ *
                              static_cast<int64_t>(sizeof(float)));
}

void FlatGradients::BeginStep() {
  std::fill(written_.begin(), written_.end(), false);
  std::fill(begun_.begin(), begun_.end(), false);
}

void FlatGradients::BeginMicroStep() {
  for (size_t i = 0; i < pending_.size(); ++i)
    pending_[i] = static_cast<int>(layout_.buckets()[i].parameters.size());
  // The buffer takes each micro-step's sums for itself.
  if (!IsDirect()) std::fill(written_.begin(), written_.end(), false);
}

runtime::GradientSlot FlatGradients::Slot(int parameter) {
  const Range place = layout_.parameter(parameter);
  const bool add = written_[parameter];
  written_[parameter] = true;
  if (IsDirect()) return {memory_.floats() + place.begin, add};
  const int index = layout_.bucket_of(parameter);
  HostMemory& memory = buckets_[index];
  if (memory.empty()) {
    absl::StatusOr<HostMemory> taken = TakeBucketMemory();
    AUTOTP_CHECK(taken.ok(), taken.status().ToString());
    memory = *std::move(taken);
    NoteBucketBytes();
  }
  return {memory.floats() + place.begin - layout_.buckets()[index].range.begin,
          add};
}

void FlatGradients::NoteBucketBytes() {
  int64_t bytes = reduction_.memory.bytes() + spare_.bytes();
  for (const HostMemory& bucket : buckets_) bytes += bucket.bytes();
  most_bucket_bytes_ = std::max(most_bucket_bytes_, bytes);
}

absl::Status FlatGradients::Done(int parameter) {
  if (!written_[parameter]) {
    const runtime::GradientSlot slot = Slot(parameter);
    std::fill_n(slot.data, layout_.parameter(parameter).size(), 0.0f);
  }
  if (IsDirect()) return absl::OkStatus();
  const int bucket = layout_.bucket_of(parameter);
  if (--pending_[bucket] > 0) return absl::OkStatus();
  if (options_.zero_stage == 2) return StartReduction(bucket);
  Accumulate(bucket);
  return absl::OkStatus();
}

void FlatGradients::AddToBuffer(const void* from, ElementType type,
                                int64_t count, void* to, bool add) const {
  const int64_t from_size = collective::SizeOf(type);
  const int64_t to_size = collective::SizeOf(options_.type);
  RunFor(options_.parallel_for, count, kGrain, [&](int64_t begin, int64_t end) {
    const char* source = static_cast<const char*>(from) + begin * from_size;
    char* target = static_cast<char*>(to) + begin * to_size;
    if (add) {
      zero::Accumulate(source, type, end - begin, target, options_.type);
    } else {
      Convert(source, type, end - begin, target, options_.type);
    }
  });
}

// Parameter by parameter: the gaps between them stay zero.
void FlatGradients::Accumulate(int index) {
  const Bucket& bucket = layout_.buckets()[index];
  HostMemory memory = std::exchange(buckets_[index], HostMemory());
  for (const int parameter : bucket.parameters) {
    const Range place = layout_.parameter(parameter);
    AddToBuffer(memory.floats() + place.begin - bucket.range.begin,
                ElementType::kFloat32, place.size(), At(place.begin, bucket),
                begun_[index]);
  }
  begun_[index] = true;
  spare_ = std::move(memory);
}

absl::Status FlatGradients::StartReduction(int index) {
  AUTOTP_RETURN_IF_ERROR(FinishReduction());
  const Bucket& bucket = layout_.buckets()[index];
  reduction_.bucket = index;
  reduction_.memory = std::exchange(buckets_[index], HostMemory());
  float* floats = reduction_.memory.floats();
  // The gaps between parameters hold what the memory held before.
  int64_t filled = 0;
  for (const int parameter : bucket.parameters) {
    const Range place = layout_.parameter(parameter);
    const int64_t begin = place.begin - bucket.range.begin;
    std::fill(floats + filled, floats + begin, 0.0f);
    filled = begin + place.size();
  }
  std::fill(floats + filled, floats + bucket.range.size(), 0.0f);

  const ElementType type = options_.exchange_type;
  const int64_t size = bucket.range.size();
  char* data = reinterpret_cast<char*>(floats);
  if (type != ElementType::kFloat32) {
    data = static_cast<char*>(exchanged_.data());
    RunFor(options_.parallel_for, size, kGrain,
           [&](int64_t begin, int64_t end) {
             Round(floats + begin, end - begin, type,
                   data + begin * collective::SizeOf(type));
           });
  }
  const int64_t part = size / data_size_;
  char* own = data + data_rank_ * part * collective::SizeOf(type);
  reduction_.part = own;
  reduction_.work = options_.data_group->ReduceScatter(
      {data, size, type}, {own, part, type}, Reduction::kSum);
  return absl::OkStatus();
}

absl::Status FlatGradients::FinishReduction() {
  if (reduction_.work == nullptr) return absl::OkStatus();
  const absl::Status status = reduction_.work->Wait();
  reduction_.work.reset();
  AUTOTP_RETURN_IF_ERROR(Annotate(status, "reduce-scatter of gradients"));
  const Bucket& bucket = layout_.buckets()[reduction_.bucket];
  const Range own = layout_.Shard(bucket, data_rank_);
  AddToBuffer(reduction_.part, options_.exchange_type, own.size(),
              At(own.begin, bucket), begun_[reduction_.bucket]);
  begun_[reduction_.bucket] = true;
  spare_ = std::exchange(reduction_.memory, HostMemory());
  return absl::OkStatus();
}

absl::Status FlatGradients::FinishMicroStep() { return FinishReduction(); }

absl::Status FlatGradients::Exchange(
    const Bucket& bucket, const Range& range, const Range& result,
    absl::FunctionRef<absl::Status(Buffer)> call) {
  const ElementType type = options_.exchange_type;
  if (type == options_.type)
    return call({At(range.begin, bucket), range.size(), type});
  RunFor(options_.parallel_for, range.size(), kGrain,
         [&](int64_t begin, int64_t end) {
           Convert(At(range.begin + begin, bucket), options_.type, end - begin,
                   static_cast<char*>(exchanged_.data()) +
                       begin * collective::SizeOf(type),
                   type);
         });
  AUTOTP_RETURN_IF_ERROR(call({exchanged_.data(), range.size(), type}));
  AddToBuffer(static_cast<const char*>(exchanged_.data()) +
                  (result.begin - range.begin) * collective::SizeOf(type),
              type, result.size(), At(result.begin, bucket), /*add=*/false);
  return absl::OkStatus();
}

absl::Status FlatGradients::ReduceBucket(const Bucket& bucket) {
  return Exchange(
      bucket, bucket.range, Own(bucket), [this](Buffer whole) -> absl::Status {
        if (options_.zero_stage == 0)
          return options_.data_group->AllReduce(whole, Reduction::kSum)->Wait();
        const int64_t part = whole.count / data_size_;
        char* own = static_cast<char*>(whole.data) +
                    data_rank_ * part * collective::SizeOf(whole.type);
        return options_.data_group
            ->ReduceScatter(whole, {own, part, whole.type}, Reduction::kSum)
            ->Wait();
      });
}

absl::Status FlatGradients::Reduce() {
  if (data_size_ > 1 && options_.zero_stage != 2) {
    for (const Bucket& bucket : layout_.buckets()) {
      AUTOTP_RETURN_IF_ERROR(
          Annotate(ReduceBucket(bucket), "reduction of gradients"));
    }
  }
  return SumOverTensorGroup();
}

absl::Status FlatGradients::SumOverTensorGroup() {
  collective::Communicator* const group = options_.tensor_group;
  if (group == nullptr || group->size() == 1) return absl::OkStatus();
  for (const Bucket& bucket : layout_.buckets()) {
    if (!bucket.partial_gradient) continue;
    const Range own = Own(bucket);
    AUTOTP_RETURN_IF_ERROR(Annotate(
        Exchange(bucket, own, own,
                 [group](Buffer part) {
                   return group->AllReduce(part, Reduction::kSum)->Wait();
                 }),
        "sum of partial gradients"));
  }
  return absl::OkStatus();
}

double FlatGradients::SquaredNorm(const std::vector<bool>& counted) const {
  // Pieces and their order don't depend on the number of threads.
  std::vector<std::pair<const void*, int64_t>> pieces;
  for (const Bucket& bucket : layout_.buckets()) {
    const Range own = layout_.Shard(bucket, data_rank_);
    for (const int parameter : bucket.parameters) {
      if (!counted[parameter]) continue;
      const Range part = Intersect(layout_.parameter(parameter), own);
      for (int64_t at = part.begin; at < part.end; at += kNormPiece)
        pieces.emplace_back(At(at, bucket),
                            std::min(kNormPiece, part.end - at));
    }
  }
  std::vector<double> sums(pieces.size());
  RunFor(options_.parallel_for, static_cast<int64_t>(pieces.size()), 1,
         [&](int64_t begin, int64_t end) {
           for (int64_t i = begin; i < end; ++i) {
             sums[i] =
                 SumOfSquares(pieces[i].first, options_.type, pieces[i].second);
           }
         });
  double sum = 0;
  for (const double piece : sums) sum += piece;
  return sum;
}

const float* FlatGradients::Reduced(const Bucket& bucket, const Range& range) {
  const void* from = At(range.begin, bucket);
  if (options_.type == ElementType::kFloat32)
    return static_cast<const float*>(from);
  RunFor(options_.parallel_for, range.size(), kGrain,
         [&](int64_t begin, int64_t end) {
           Widen(static_cast<const uint16_t*>(from) + begin, end - begin,
                 options_.type, widened_.floats() + begin);
         });
  return widened_.floats();
}

}  // namespace autotp::zero
