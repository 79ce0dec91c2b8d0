#include "worker/zero/flat_state.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "proto/support/check.h"
#include "proto/support/status_macros.h"
#include "worker/zero/bfloat16.h"

namespace autotp::zero {
namespace {

using collective::Buffer;
using collective::ElementType;
using collective::Reduction;

constexpr int64_t kGrain = 32 << 10;      // elements worth a thread
constexpr int64_t kNormPiece = 64 << 10;  // elements summed as one

int SizeOf(const collective::Communicator* group) {
  return group == nullptr ? 1 : group->size();
}

FlatLayout MakeLayout(const std::vector<ParameterInfo>& parameters,
                      const FlatStateOptions& options) {
  std::vector<FlatParameter> flat;
  for (const ParameterInfo& info : parameters)
    flat.push_back({info.elements, info.partial_gradient});
  return FlatLayout(std::move(flat), SizeOf(options.data_group),
                    BucketElements(options.bucket_elements));
}

Buffer Floats(float* data, int64_t count) {
  return {data, count, ElementType::kFloat32};
}

}  // namespace

FlatState::FlatState(std::vector<ParameterInfo> parameters,
                     const FlatStateOptions& options, FlatLayout layout)
    : parameters_(std::move(parameters)),
      options_(options),
      layout_(std::move(layout)),
      stage_(SizeOf(options.data_group) == 1 ? 0 : options.zero_stage),
      data_rank_(options.data_group == nullptr ? 0
                                               : options.data_group->rank()),
      data_size_(SizeOf(options.data_group)) {}

absl::StatusOr<std::unique_ptr<FlatState>> FlatState::Create(
    std::vector<ParameterInfo> parameters, const FlatStateOptions& options) {
  FlatLayout layout = MakeLayout(parameters, options);
  std::unique_ptr<FlatState> state(
      new FlatState(std::move(parameters), options, std::move(layout)));
  AUTOTP_RETURN_IF_ERROR(state->Allocate());
  return state;
}

absl::Status FlatState::Allocate() {
  const int64_t whole = layout_.elements();
  const int64_t shard = layout_.shard_elements();
  const int64_t updated = stage_ == 0 ? whole : shard;
  const int64_t float_size = sizeof(float);
  AUTOTP_ASSIGN_OR_RETURN(
      weights_,
      HostMemory::Allocate(whole * (options_.bfloat16 ? 2 : float_size)));
  if (options_.bfloat16) {
    AUTOTP_ASSIGN_OR_RETURN(masters_,
                            HostMemory::Allocate(updated * float_size));
  }
  AUTOTP_ASSIGN_OR_RETURN(
      gradients_,
      HostMemory::Allocate((stage_ == 2 ? shard : whole) * float_size));
  AUTOTP_ASSIGN_OR_RETURN(exp_avg_, HostMemory::Allocate(updated * float_size));
  AUTOTP_ASSIGN_OR_RETURN(exp_avg_sq_,
                          HostMemory::Allocate(updated * float_size));
  if (stage_ != 0) {
    AUTOTP_ASSIGN_OR_RETURN(
        gather_, WeightGather::Create(layout_, options_.data_group,
                                      options_.bfloat16 ? ElementType::kBFloat16
                                                        : ElementType::kFloat32,
                                      options_.gather_elements));
  }
  const size_t buckets = layout_.buckets().size();
  written_.resize(parameters_.size());
  pending_.resize(buckets);
  buckets_.resize(buckets);
  reduced_.resize(buckets);
  return absl::OkStatus();
}

void FlatState::For(int64_t count, int64_t grain,
                    absl::FunctionRef<void(int64_t, int64_t)> body) const {
  if (options_.parallel_for == nullptr) {
    if (count > 0) body(0, count);
  } else {
    options_.parallel_for(count, grain, body);
  }
}

Range FlatState::Updated(const Bucket& bucket) const {
  return stage_ == 0 ? bucket.range : layout_.Shard(bucket, data_rank_);
}

int64_t FlatState::StateOffset(int64_t position, const Bucket& bucket) const {
  if (stage_ == 0) return position;
  return layout_.ShardOffset(bucket) + position -
         layout_.Shard(bucket, data_rank_).begin;
}

float* FlatState::Master(int64_t position, const Bucket& bucket) {
  return options_.bfloat16 ? masters_.floats() + StateOffset(position, bucket)
                           : weights_.floats() + position;
}

float* FlatState::ReducedGradient(int64_t position,
                                  const Bucket& bucket) const {
  return gradients_.floats() +
         (stage_ == 2 ? StateOffset(position, bucket) : position);
}

void FlatState::SetParameter(int parameter, const float* values) {
  const Range place = layout_.parameter(parameter);
  if (!options_.bfloat16) {
    std::copy_n(values, place.size(), weights_.floats() + place.begin);
    return;
  }
  RoundToBFloat16(values, place.size(),
                  static_cast<uint16_t*>(weights_.data()) + place.begin);
  const Bucket& bucket = layout_.buckets()[layout_.bucket_of(parameter)];
  const Range own = Intersect(place, Updated(bucket));
  if (own.size() > 0) {
    std::copy_n(values + (own.begin - place.begin), own.size(),
                Master(own.begin, bucket));
  }
}

void* FlatState::Weight(int parameter) {
  const int64_t begin = layout_.parameter(parameter).begin;
  if (options_.bfloat16) return static_cast<uint16_t*>(weights_.data()) + begin;
  return weights_.floats() + begin;
}

void FlatState::BeginStep() {
  std::fill(written_.begin(), written_.end(), false);
  std::fill(reduced_.begin(), reduced_.end(), false);
}

void FlatState::BeginMicroStep() {
  for (size_t i = 0; i < pending_.size(); ++i)
    pending_[i] = static_cast<int>(layout_.buckets()[i].parameters.size());
  // A shard takes each micro-step's sums for itself.
  if (stage_ == 2) std::fill(written_.begin(), written_.end(), false);
}

runtime::GradientSlot FlatState::Gradient(int parameter) {
  const Range place = layout_.parameter(parameter);
  const bool add = written_[parameter];
  written_[parameter] = true;
  if (stage_ != 2) return {gradients_.floats() + place.begin, add};
  const int index = layout_.bucket_of(parameter);
  HostMemory& memory = buckets_[index];
  if (memory.empty()) {
    // The largest bucket fits any: memory goes round without being remapped.
    int64_t largest = 0;
    for (const Bucket& bucket : layout_.buckets())
      largest = std::max(largest, bucket.range.size());
    memory = std::move(spare_);
    if (memory.empty()) {
      absl::StatusOr<HostMemory> fresh =
          HostMemory::Allocate(largest * static_cast<int64_t>(sizeof(float)));
      AUTOTP_CHECK(fresh.ok(), fresh.status().ToString());
      memory = *std::move(fresh);
      NoteBucketBytes();
    }
  }
  return {memory.floats() + place.begin - layout_.buckets()[index].range.begin,
          add};
}

void FlatState::NoteBucketBytes() {
  int64_t bytes = reduction_.memory.bytes() + spare_.bytes();
  for (const HostMemory& bucket : buckets_) bytes += bucket.bytes();
  most_bucket_bytes_ = std::max(most_bucket_bytes_, bytes);
}

absl::Status FlatState::GradientDone(int parameter) {
  if (!written_[parameter]) {
    const runtime::GradientSlot slot = Gradient(parameter);
    std::fill_n(slot.data, layout_.parameter(parameter).size(), 0.0f);
  }
  if (stage_ != 2) return absl::OkStatus();
  const int bucket = layout_.bucket_of(parameter);
  return --pending_[bucket] == 0 ? StartReduction(bucket) : absl::OkStatus();
}

absl::Status FlatState::StartReduction(int index) {
  AUTOTP_RETURN_IF_ERROR(FinishReduction());
  const Bucket& bucket = layout_.buckets()[index];
  reduction_.bucket = index;
  reduction_.memory = std::exchange(buckets_[index], HostMemory());
  float* data = reduction_.memory.floats();
  // The gaps between parameters hold what the memory held before.
  int64_t filled = 0;
  for (const int parameter : bucket.parameters) {
    const Range place = layout_.parameter(parameter);
    const int64_t begin = place.begin - bucket.range.begin;
    std::fill(data + filled, data + begin, 0.0f);
    filled = begin + place.size();
  }
  std::fill(data + filled, data + bucket.range.size(), 0.0f);
  const int64_t part = bucket.range.size() / data_size_;
  reduction_.work = options_.data_group->ReduceScatter(
      Floats(data, bucket.range.size()), Floats(data + data_rank_ * part, part),
      Reduction::kSum);
  return absl::OkStatus();
}

absl::Status FlatState::FinishReduction() {
  if (reduction_.work == nullptr) return absl::OkStatus();
  const absl::Status status = reduction_.work->Wait();
  reduction_.work.reset();
  AUTOTP_RETURN_IF_ERROR(Annotate(status, "reduce-scatter of gradients"));
  const Bucket& bucket = layout_.buckets()[reduction_.bucket];
  const int64_t part = bucket.range.size() / data_size_;
  const float* from = reduction_.memory.floats() + data_rank_ * part;
  float* to = gradients_.floats() + layout_.ShardOffset(bucket);
  const bool add = reduced_[reduction_.bucket];
  reduced_[reduction_.bucket] = true;
  For(part, kGrain, [&](int64_t begin, int64_t end) {
    if (add) {
      for (int64_t i = begin; i < end; ++i) to[i] += from[i];
    } else {
      std::copy(from + begin, from + end, to + begin);
    }
  });
  spare_ = std::move(reduction_.memory);
  reduction_.memory = HostMemory();
  return absl::OkStatus();
}

absl::Status FlatState::FinishMicroStep() { return FinishReduction(); }

absl::Status FlatState::ReduceGradients() {
  if (data_size_ > 1 && stage_ != 2) {
    for (const Bucket& bucket : layout_.buckets()) {
      float* data = gradients_.floats() + bucket.range.begin;
      const Buffer whole = Floats(data, bucket.range.size());
      const int64_t part = bucket.range.size() / data_size_;
      std::unique_ptr<collective::Work> work =
          stage_ == 0 ? options_.data_group->AllReduce(whole, Reduction::kSum)
                      : options_.data_group->ReduceScatter(
                            whole, Floats(data + data_rank_ * part, part),
                            Reduction::kSum);
      AUTOTP_RETURN_IF_ERROR(Annotate(work->Wait(), "reduction of gradients"));
    }
  }
  return SumOverTensorGroup();
}

absl::Status FlatState::SumOverTensorGroup() {
  if (SizeOf(options_.tensor_group) == 1) return absl::OkStatus();
  for (const Bucket& bucket : layout_.buckets()) {
    if (!bucket.partial_gradient) continue;
    const Range own = Updated(bucket);
    AUTOTP_RETURN_IF_ERROR(Annotate(
        options_.tensor_group
            ->AllReduce(Floats(ReducedGradient(own.begin, bucket), own.size()),
                        Reduction::kSum)
            ->Wait(),
        "sum of partial gradients"));
  }
  return absl::OkStatus();
}

double FlatState::SquaredNorm() const {
  // Pieces and their order don't depend on the number of threads.
  std::vector<std::pair<const float*, int64_t>> pieces;
  for (const Bucket& bucket : layout_.buckets()) {
    const Range own = layout_.Shard(bucket, data_rank_);
    for (const int parameter : bucket.parameters) {
      if (!parameters_[parameter].counts_in_norm) continue;
      const Range part = Intersect(layout_.parameter(parameter), own);
      for (int64_t at = part.begin; at < part.end; at += kNormPiece) {
        pieces.emplace_back(ReducedGradient(at, bucket),
                            std::min(kNormPiece, part.end - at));
      }
    }
  }
  const int64_t count = static_cast<int64_t>(pieces.size());
  std::vector<double> sums(pieces.size());
  For(count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      sums[i] = optimizer::SumOfSquares(pieces[i].first, pieces[i].second);
  });
  double sum = 0;
  for (const double piece : sums) sum += piece;
  return sum;
}

std::vector<Range> FlatState::Trained(Range range, const Bucket& bucket) const {
  std::vector<Range> trained;
  for (const int parameter : bucket.parameters) {
    if (!parameters_[parameter].frozen) continue;
    const Range frozen = layout_.parameter(parameter);
    trained.push_back(Intersect(range, {range.begin, frozen.begin}));
    range.begin = std::clamp(frozen.end, range.begin, range.end);
  }
  trained.push_back(range);
  return trained;
}

void FlatState::UpdateBucket(const Bucket& bucket,
                             const optimizer::AdamStep& step) {
  for (const Range& own : Trained(Updated(bucket), bucket)) {
    if (own.size() == 0) continue;
    const int64_t state = StateOffset(own.begin, bucket);
    const float* gradients = ReducedGradient(own.begin, bucket);
    float* masters = Master(own.begin, bucket);
    float* exp_avg = exp_avg_.floats() + state;
    float* exp_avg_sq = exp_avg_sq_.floats() + state;
    uint16_t* rounded =
        options_.bfloat16 ? static_cast<uint16_t*>(weights_.data()) + own.begin
                          : nullptr;
    For(own.size(), kGrain, [&](int64_t begin, int64_t end) {
      optimizer::UpdateAdam(step, end - begin, gradients + begin,
                            masters + begin, exp_avg + begin,
                            exp_avg_sq + begin);
      if (rounded != nullptr)
        RoundToBFloat16(masters + begin, end - begin, rounded + begin);
    });
  }
}

absl::Status FlatState::Update(const optimizer::AdamStep& step) {
  for (const Bucket& bucket : layout_.buckets()) UpdateBucket(bucket, step);
  return stage_ == 0 ? absl::OkStatus() : PublishWeights();
}

absl::Status FlatState::PublishWeights() {
  for (const Bucket& bucket : layout_.buckets()) {
    AUTOTP_RETURN_IF_ERROR(Annotate(gather_.Gather(bucket, weights_.data()),
                                    "all-gather of weights"));
  }
  return absl::OkStatus();
}

std::vector<OwnedPiece> FlatState::OwnedPieces() { return Pieces(false); }

std::vector<OwnedPiece> FlatState::UpdatedPieces() { return Pieces(true); }

std::vector<OwnedPiece> FlatState::Pieces(bool updated) {
  std::vector<OwnedPiece> pieces;
  for (const Bucket& bucket : layout_.buckets()) {
    const Range own =
        updated ? Updated(bucket) : layout_.Shard(bucket, data_rank_);
    for (const int parameter : bucket.parameters) {
      const Range place = layout_.parameter(parameter);
      const Range part = Intersect(place, own);
      if (part.size() == 0) continue;
      const int64_t state = StateOffset(part.begin, bucket);
      pieces.push_back({parameter,
                        {part.begin - place.begin, part.end - place.begin},
                        Master(part.begin, bucket),
                        exp_avg_.floats() + state,
                        exp_avg_sq_.floats() + state});
    }
  }
  return pieces;
}

int64_t FlatState::optimizer_state_bytes() const {
  return 2 * static_cast<int64_t>(sizeof(float)) *
         (stage_ == 0 ? layout_.elements() : layout_.shard_elements());
}

}  // namespace autotp::zero
