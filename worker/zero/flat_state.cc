#include "worker/zero/flat_state.h"

#include <algorithm>
#include <utility>

#include "proto/support/status_macros.h"
#include "worker/zero/rounding.h"

namespace autotp::zero {
namespace {

constexpr int64_t kGrain = 32 << 10;  // elements worth a thread

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

}  // namespace

FlatState::FlatState(std::vector<ParameterInfo> parameters,
                     const FlatStateOptions& options, FlatLayout layout)
    : parameters_(std::move(parameters)),
      options_(options),
      layout_(std::move(layout)),
      stage_(SizeOf(options.data_group) == 1 ? 0 : options.zero_stage),
      data_rank_(options.data_group == nullptr ? 0
                                               : options.data_group->rank()) {}

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
      HostMemory::Allocate(whole * collective::SizeOf(options_.weight_type)));
  if (HasMasters()) {
    AUTOTP_ASSIGN_OR_RETURN(masters_,
                            HostMemory::Allocate(updated * float_size));
  }
  AUTOTP_ASSIGN_OR_RETURN(
      gradients_, FlatGradients::Create(
                      layout_, {stage_, options_.gradient_type,
                                options_.exchange_type, options_.data_group,
                                options_.tensor_group, options_.parallel_for}));
  AUTOTP_ASSIGN_OR_RETURN(exp_avg_, HostMemory::Allocate(updated * float_size));
  AUTOTP_ASSIGN_OR_RETURN(exp_avg_sq_,
                          HostMemory::Allocate(updated * float_size));
  if (stage_ != 0) {
    AUTOTP_ASSIGN_OR_RETURN(
        gather_,
        WeightGather::Create(layout_, options_.data_group, options_.weight_type,
                             options_.gather_elements));
  }
  return absl::OkStatus();
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
  return HasMasters() ? masters_.floats() + StateOffset(position, bucket)
                      : weights_.floats() + position;
}

void* FlatState::WeightAt(int64_t position) const {
  return static_cast<char*>(weights_.data()) +
         position * collective::SizeOf(options_.weight_type);
}

void FlatState::SetParameter(int parameter, const float* values) {
  const Range place = layout_.parameter(parameter);
  Round(values, place.size(), options_.weight_type, WeightAt(place.begin));
  if (!HasMasters()) return;
  const Bucket& bucket = layout_.buckets()[layout_.bucket_of(parameter)];
  const Range own = Intersect(place, Updated(bucket));
  if (own.size() > 0) {
    std::copy_n(values + (own.begin - place.begin), own.size(),
                Master(own.begin, bucket));
  }
}

void* FlatState::Weight(int parameter) {
  return WeightAt(layout_.parameter(parameter).begin);
}

runtime::GradientSlot FlatState::Gradient(int parameter) {
  return gradients_->Slot(parameter);
}

absl::Status FlatState::GradientDone(int parameter) {
  return gradients_->Done(parameter);
}

void FlatState::BeginStep() { gradients_->BeginStep(); }

void FlatState::BeginMicroStep() { gradients_->BeginMicroStep(); }

absl::Status FlatState::FinishMicroStep() {
  return gradients_->FinishMicroStep();
}

absl::Status FlatState::ReduceGradients() { return gradients_->Reduce(); }

double FlatState::SquaredNorm() const {
  std::vector<bool> counted;
  for (const ParameterInfo& info : parameters_)
    counted.push_back(info.counts_in_norm);
  return gradients_->SquaredNorm(counted);
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
    const float* gradients = gradients_->Reduced(bucket, own);
    float* masters = Master(own.begin, bucket);
    float* exp_avg = exp_avg_.floats() + state;
    float* exp_avg_sq = exp_avg_sq_.floats() + state;
    RunFor(options_.parallel_for, own.size(), kGrain,
           [&](int64_t begin, int64_t end) {
             optimizer::UpdateAdam(step, end - begin, gradients + begin,
                                   masters + begin, exp_avg + begin,
                                   exp_avg_sq + begin);
             if (!HasMasters()) return;
             Round(masters + begin, end - begin, options_.weight_type,
                   WeightAt(own.begin + begin));
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
