#include "worker/zero/flat_state.h"

#include <algorithm>
#include <utility>

#include "proto/support/status_macros.h"
#include "worker/zero/lamb_update.h"
#include "worker/zero/rounding.h"

namespace autotp::zero {
namespace {

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
  AUTOTP_RETURN_IF_ERROR(AllocateStates(updated));
  if (stage_ != 0) {
    AUTOTP_ASSIGN_OR_RETURN(
        gather_,
        WeightGather::Create(layout_, options_.data_group, options_.weight_type,
                             options_.gather_elements));
  }
  return absl::OkStatus();
}

absl::Status FlatState::AllocateStates(int64_t elements) {
  size_t states = 0;
  for (int i = 0; i < layout_.parameter_count(); ++i)
    states = std::max(states, StatesOf(i).size());
  for (size_t i = 0; i < states; ++i) {
    AUTOTP_ASSIGN_OR_RETURN(
        states_[i], HostMemory::Allocate(
                        elements * collective::SizeOf(options_.state_type)));
  }
  if (options_.optimizer.initial_accumulator() != 0) {
    const std::vector<float> first(
        elements, static_cast<float>(options_.optimizer.initial_accumulator()));
    Round(first.data(), elements, options_.state_type, states_[0].data());
  }
  if (options_.optimizer.kind() == v1::OptimizerConfig::KIND_MUON) {
    AUTOTP_ASSIGN_OR_RETURN(
        muon_, MuonUpdate::Create(parameters_, SizeOf(options_.tensor_group),
                                  layout_.shards(), options_.matrix_product));
  }
  return absl::OkStatus();
}

absl::Span<const absl::string_view> FlatState::StatesOf(int parameter) const {
  return OptimizerStates(options_.optimizer,
                         parameters_[parameter].treatment.orthogonalized);
}

Range FlatState::Updated(const Bucket& bucket) const {
  return stage_ == 0 ? bucket.range : layout_.Shard(bucket, data_rank_);
}

int64_t FlatState::StateOffset(int64_t position, const Bucket& bucket) const {
  if (stage_ == 0) return position;
  return layout_.ShardOffset(bucket) + position -
         layout_.Shard(bucket, data_rank_).begin;
}

Numbers FlatState::MastersAt(int64_t position, const Bucket& bucket) const {
  if (!HasMasters()) return WeightsAt(position);
  return Numbers{masters_.data(), options_.master_type}.At(
      StateOffset(position, bucket));
}

Numbers FlatState::StateAt(int state, int64_t position,
                           const Bucket& bucket) const {
  return Numbers{states_[state].data(), options_.state_type}.At(
      StateOffset(position, bucket));
}

Numbers FlatState::WeightsAt(int64_t position) const {
  return Numbers{weights_.data(), options_.weight_type}.At(position);
}

void FlatState::SetParameter(int parameter, const float* values) {
  const Range place = layout_.parameter(parameter);
  Round(values, place.size(), options_.weight_type,
        WeightsAt(place.begin).data);
  if (!HasMasters()) return;
  const Bucket& bucket = layout_.buckets()[layout_.bucket_of(parameter)];
  const Range own = Intersect(place, Updated(bucket));
  if (own.size() > 0) {
    std::copy_n(values + (own.begin - place.begin), own.size(),
                MastersAt(own.begin, bucket).floats());
  }
}

void* FlatState::Weight(int parameter) {
  return WeightsAt(layout_.parameter(parameter).begin).data;
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

std::vector<UpdateRange> FlatState::UpdateRanges() const {
  std::vector<UpdateRange> ranges;
  for (const Bucket& bucket : layout_.buckets()) {
    for (const int parameter : bucket.parameters) {
      const Range whole = layout_.parameter(parameter);
      const Range place = Intersect(whole, Updated(bucket));
      if (place.size() == 0 || parameters_[parameter].frozen) continue;
      UpdateRange& range = ranges.emplace_back();
      range.parameter = parameter;
      range.bucket = &bucket;
      range.place = place;
      range.local = {place.begin - whole.begin, place.end - whole.begin};
      range.weights = MastersAt(place.begin, bucket);
      for (size_t i = 0; i < StatesOf(parameter).size(); ++i)
        range.states[i] = StateAt(static_cast<int>(i), place.begin, bucket);
      if (HasMasters()) range.rounded = WeightsAt(place.begin);
    }
  }
  return ranges;
}

absl::Status FlatState::Update(const optimizer::Update& update) {
  const UpdateContext context{update,
                              parameters_,
                              *gradients_,
                              stage_ != 0,
                              options_.data_group,
                              options_.tensor_group,
                              options_.parallel_for,
                              options_.seed};
  const std::vector<UpdateRange> ranges = UpdateRanges();
  if (options_.optimizer.kind() == v1::OptimizerConfig::KIND_LAMB) {
    AUTOTP_RETURN_IF_ERROR(UpdateLamb(context, ranges));
  } else {
    for (const UpdateRange& range : ranges) {
      if (!parameters_[range.parameter].treatment.orthogonalized)
        UpdateByElement(context, range);
    }
    if (muon_ != nullptr) AUTOTP_RETURN_IF_ERROR(muon_->Run(context, ranges));
  }
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
      OwnedPiece& piece = pieces.emplace_back();
      piece.parameter = parameter;
      piece.range = {part.begin - place.begin, part.end - place.begin};
      piece.weights = MastersAt(part.begin, bucket);
      const absl::Span<const absl::string_view> states = StatesOf(parameter);
      for (size_t i = 0; i < states.size(); ++i) {
        piece.states.push_back(
            {states[i], StateAt(static_cast<int>(i), part.begin, bucket)});
      }
    }
  }
  return pieces;
}

int64_t FlatState::optimizer_state_bytes() const {
  std::vector<int> states;
  for (int i = 0; i < layout_.parameter_count(); ++i)
    states.push_back(static_cast<int>(StatesOf(i).size()));
  return StateElements(layout_, states, stage_ == 0 ? -1 : data_rank_) *
         collective::SizeOf(options_.state_type);
}

}  // namespace autotp::zero
