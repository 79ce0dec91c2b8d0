#include "worker/zero/muon_update.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "proto/support/check.h"
#include "proto/support/status_macros.h"

namespace autotp::zero {
namespace {

using collective::Buffer;
using collective::Communicator;
using collective::ElementType;
using optimizer::MuonStep;

MuonStep StepOf(const UpdateContext& context, int parameter) {
  return std::get<MuonStep>(
      context.update.For(context.parameters[parameter].treatment));
}

// Runs of a part of a range, as places in the whole tensor.
void ForEachPlace(const UpdateContext& context, const UpdateRange& range,
                  Range part,
                  absl::FunctionRef<void(int64_t global, Range part)> body) {
  const ParameterInfo& info = context.parameters[range.parameter];
  const int64_t base = range.local.begin;
  const absl::Status status = checkpoint::ForEachRun(
      info.shape, info.slice, {base + part.begin, base + part.end},
      [&](checkpoint::Run run) {
        const int64_t begin = run.local - base;
        body(run.global, {begin, begin + run.count});
        return absl::OkStatus();
      });
  AUTOTP_CHECK(status.ok(), status.ToString());
}

// Sums the slots over the group: all of them, or to each rank its own part,
// which is returned.
absl::StatusOr<Buffer> SumSlots(Communicator* group, int ways, bool sum,
                                Buffer slots) {
  if (group == nullptr) return slots;
  if (ways == 1) {
    if (sum) {
      AUTOTP_RETURN_IF_ERROR(
          group->AllReduce(slots, collective::Reduction::kSum)->Wait());
    }
    return slots;
  }
  Buffer part = slots;
  part.count /= ways;
  part.data = static_cast<float*>(slots.data) + group->rank() * part.count;
  if (sum) {
    AUTOTP_RETURN_IF_ERROR(
        group->ReduceScatter(slots, part, collective::Reduction::kSum)->Wait());
  }
  return part;
}

absl::Status GatherSlots(Communicator* group, int ways, Buffer part,
                         Buffer slots) {
  if (group == nullptr || ways == 1) return absl::OkStatus();
  return group->AllGather(part, slots)->Wait();
}

}  // namespace

absl::StatusOr<std::unique_ptr<MuonUpdate>> MuonUpdate::Create(
    const std::vector<ParameterInfo>& parameters, int tensor_size,
    int data_size, kernel::MatrixProduct product) {
  std::vector<int64_t> elements;
  for (const ParameterInfo& info : parameters) {
    const bool taken = info.treatment.orthogonalized && !info.frozen;
    elements.push_back(taken ? checkpoint::ElementCount(info.shape) : 0);
  }
  std::unique_ptr<MuonUpdate> made(
      new MuonUpdate(MuonRounds(elements, tensor_size, data_size), product));
  int64_t longest = 0;
  for (const MuonRound& round : made->rounds_)
    longest = std::max(longest, round.elements());
  AUTOTP_ASSIGN_OR_RETURN(
      made->directions_,
      HostMemory::Allocate(longest * static_cast<int64_t>(sizeof(float))));
  return made;
}

void MuonUpdate::FillDirections(const UpdateContext& context,
                                const UpdateRange& range, float* slot) {
  const MuonStep step = StepOf(context, range.parameter);
  const float* gradients =
      context.gradients.Reduced(*range.bucket, range.place);
  const bool counts = context.tensor_group == nullptr ||
                      context.parameters[range.parameter].counts_in_norm;
  const auto fill = [&](int64_t global, Range part) {
    ForEachBlock(context, range, part, /*publish=*/false,
                 [&](const Block& block) {
                   float* out = slot + global + (block.offset - part.begin);
                   optimizer::UpdateMuonMomentum(step, block.count,
                                                 gradients + block.offset,
                                                 block.states[0], out);
                   if (!counts) std::fill_n(out, block.count, 0.0f);
                 });
  };
  RunFor(context.parallel_for, range.place.size(), kUpdateGrain,
         [&](int64_t begin, int64_t end) {
           ForEachPlace(context, range, {begin, end}, fill);
         });
}

void MuonUpdate::UpdateWeights(const UpdateContext& context,
                               const UpdateRange& range, const float* slot) {
  const MuonStep step = StepOf(context, range.parameter);
  const checkpoint::Shape& shape = context.parameters[range.parameter].shape;
  const float size = optimizer::MuonStepSize(step, shape[shape.size() - 2],
                                             shape[shape.size() - 1]);
  const auto update = [&](int64_t global, Range part) {
    ForEachBlock(
        context, range, part, /*publish=*/true, [&](const Block& block) {
          optimizer::UpdateMuonWeights(
              step, size, block.count,
              slot + global + (block.offset - part.begin), block.weights);
        });
  };
  RunFor(context.parallel_for, range.place.size(), kUpdateGrain,
         [&](int64_t begin, int64_t end) {
           ForEachPlace(context, range, {begin, end}, update);
         });
}

absl::Status MuonUpdate::Orthogonalize(const UpdateContext& context,
                                       const MuonRound& round) {
  const Buffer all{directions_.data(), round.elements(), ElementType::kFloat32};
  AUTOTP_ASSIGN_OR_RETURN(const Buffer mine,
                          SumSlots(context.tensor_group, round.tensor_ways,
                                   /*sum=*/true, all));
  AUTOTP_ASSIGN_OR_RETURN(
      const Buffer own,
      SumSlots(context.data_group, round.data_ways, context.sharded, mine));
  const float* first = directions_.floats();
  const auto index =
      static_cast<size_t>((static_cast<float*>(own.data) - first) / round.slot);
  if (index < round.parameters.size()) {
    const int parameter = round.parameters[index];
    const MuonStep step = StepOf(context, parameter);
    const checkpoint::Shape& shape = context.parameters[parameter].shape;
    const int64_t rows = shape[shape.size() - 2];
    const int64_t columns = shape[shape.size() - 1];
    const int64_t total = checkpoint::ElementCount(shape);
    for (int64_t at = 0; at < total; at += rows * columns) {
      optimizer::Orthogonalize(product_, step.iterations, rows, columns,
                               static_cast<float*>(own.data) + at, scratch_);
    }
  }
  AUTOTP_RETURN_IF_ERROR(
      GatherSlots(context.data_group, round.data_ways, own, mine));
  return GatherSlots(context.tensor_group, round.tensor_ways, mine, all);
}

absl::Status MuonUpdate::Run(const UpdateContext& context,
                             const std::vector<UpdateRange>& ranges) {
  std::vector<const UpdateRange*> range_of(context.parameters.size());
  for (const UpdateRange& range : ranges) range_of[range.parameter] = &range;
  for (const MuonRound& round : rounds_) {
    std::fill_n(directions_.floats(), round.elements(), 0.0f);
    for (size_t i = 0; i < round.parameters.size(); ++i) {
      const UpdateRange* range = range_of[round.parameters[i]];
      if (range != nullptr) {
        FillDirections(
            context, *range,
            directions_.floats() + static_cast<int64_t>(i) * round.slot);
      }
    }
    AUTOTP_RETURN_IF_ERROR(
        Annotate(Orthogonalize(context, round), "exchange of directions"));
    for (size_t i = 0; i < round.parameters.size(); ++i) {
      const UpdateRange* range = range_of[round.parameters[i]];
      if (range != nullptr) {
        UpdateWeights(
            context, *range,
            directions_.floats() + static_cast<int64_t>(i) * round.slot);
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace autotp::zero
