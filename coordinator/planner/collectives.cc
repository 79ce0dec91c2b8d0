#include "coordinator/planner/collectives.h"

#include <algorithm>
#include <utility>

#include "coordinator/planner/layer_names.h"

namespace autotp::planner {
namespace {

using partition::CollectiveUse;
using program::Operation;
using program::Program;
using Collective = v1::CollectivePlan;

constexpr int64_t kFloatBytes = 4;

int64_t Elements(const std::vector<int64_t>& shape) {
  int64_t elements = 1;
  for (const int64_t size : shape) elements *= size;
  return elements;
}

Collective Step(Collective::Kind kind, Collective::Group group, int64_t count,
                int64_t bytes) {
  Collective plan;
  plan.set_kind(kind);
  plan.set_group(group);
  plan.set_phase("step");
  plan.set_count(count);
  plan.set_bytes(bytes);
  return plan;
}

// What one use is, without count and bytes.
Collective KindOf(const CollectiveUse& use) {
  Collective plan;
  plan.set_group(Collective::GROUP_TENSOR);
  plan.set_phase(use.backward ? "backward" : "forward");
  switch (use.operation) {
    case Operation::kReduceScatter:
      plan.set_kind(Collective::KIND_REDUCE_SCATTER);
      break;
    case Operation::kAllGather:
      plan.set_kind(Collective::KIND_ALL_GATHER);
      plan.set_reason(WithoutNumbers(use.reason));
      break;
    case Operation::kCrossEntropy:
      plan.set_kind(Collective::KIND_LOSS);
      break;
    default:
      plan.set_kind(Collective::KIND_ALL_REDUCE);
      break;
  }
  return plan;
}

v1::CollectiveSite* SiteOf(const Program& program, const CollectiveUse& use,
                           Collective* plan) {
  v1::CollectiveSite site;
  for (const int parameter : use.parameters)
    site.add_weights(WithoutNumbers(program.parameters[parameter].name));
  for (v1::CollectiveSite& known : *plan->mutable_sites()) {
    if (std::equal(known.weights().begin(), known.weights().end(),
                   site.weights().begin(), site.weights().end()))
      return &known;
  }
  *plan->add_sites() = std::move(site);
  return plan->mutable_sites(plan->sites_size() - 1);
}

void AddTensorCollectives(const EstimateInput& input,
                          std::vector<Collective>* plans) {
  for (const CollectiveUse& use : input.partitioned.collectives) {
    Collective kind = KindOf(use);
    // Sums of a loss and of a norm's squares are fp32.
    const bool is_wide = use.operation == Operation::kCrossEntropy ||
                         use.operation == Operation::kRmsNorm;
    const int64_t width = is_wide ? kFloatBytes : ComputeBytes(input.training);
    const int64_t bytes =
        use.elements * width * input.training.accumulation_steps();
    const auto same =
        std::find_if(plans->begin(), plans->end(), [&kind](const auto& plan) {
          return plan.kind() == kind.kind() && plan.phase() == kind.phase() &&
                 plan.reason() == kind.reason();
        });
    Collective& into =
        same == plans->end() ? plans->emplace_back(std::move(kind)) : *same;
    into.set_count(into.count() + use.calls);
    into.set_bytes(into.bytes() + bytes);
    v1::CollectiveSite* site = SiteOf(input.whole, use, &into);
    site->set_count(site->count() + use.calls);
    site->set_bytes(site->bytes() + bytes);
  }
}

// Gradients that are partial on a tensor-parallel rank: each bucket of them,
// after the data-parallel sum.
void AddGradientSum(const zero::FlatLayout& layout, int stage, int64_t width,
                    std::vector<Collective>* plans) {
  int64_t count = 0;
  int64_t elements = 0;
  for (const zero::Bucket& bucket : layout.buckets()) {
    if (!bucket.partial_gradient) continue;
    ++count;
    elements += bucket.range.size() / (stage == 0 ? 1 : layout.shards());
  }
  if (count == 0) return;
  plans->push_back(Step(Collective::KIND_GRADIENT_SUM, Collective::GROUP_TENSOR,
                        count, elements * width));
}

void AddDataCollectives(const EstimateInput& input,
                        const zero::FlatLayout& layout,
                        std::vector<Collective>* plans) {
  const v1::TrainingConfig& training = input.training;
  const int stage = StageOf(input);
  const auto buckets = static_cast<int64_t>(layout.buckets().size());
  const int64_t gradients =
      layout.elements() * BytesOf(training.communication_dtype());
  if (stage == 0) {
    plans->push_back(Step(Collective::KIND_ALL_REDUCE, Collective::GROUP_DATA,
                          buckets, gradients));
    return;
  }
  const int64_t times = stage == 2 ? training.accumulation_steps() : 1;
  plans->push_back(Step(Collective::KIND_REDUCE_SCATTER, Collective::GROUP_DATA,
                        buckets * times, gradients * times));
  const int64_t part =
      zero::GatherPart(layout.shards(), training.allgather_bucket_elements());
  int64_t gathers = 0;
  for (const zero::Bucket& bucket : layout.buckets()) {
    gathers += (bucket.range.size() / layout.shards() - 1) / part + 1;
  }
  plans->push_back(Step(Collective::KIND_ALL_GATHER, Collective::GROUP_DATA,
                        gathers, layout.elements() * ComputeBytes(training)));
}

// One level of a round: `elements` are summed over the group, to all of it or
// to each its part; then the parts are gathered.
struct MuonLevel {
  Collective::Group group;
  int64_t all_reduced = 0;  // calls and elements
  int64_t scattered = 0;
  int64_t gathered = 0;
  int64_t all_reduced_elements = 0;
  int64_t scattered_elements = 0;
  int64_t gathered_elements = 0;

  void Add(int ways, bool sum, int64_t elements) {
    if (ways == 1 && sum) {
      ++all_reduced;
      all_reduced_elements += elements;
    }
    if (ways == 1) return;
    if (sum) {
      ++scattered;
      scattered_elements += elements;
    }
    ++gathered;
    gathered_elements += elements;
  }

  void AppendTo(std::vector<Collective>* plans) const {
    const auto append = [&](Collective::Kind kind, int64_t count,
                            int64_t elements) {
      if (count == 0) return;
      plans->push_back(Step(kind, group, count, elements * kFloatBytes));
      plans->back().set_reason("Muon's whole matrices");
    };
    append(Collective::KIND_ALL_REDUCE, all_reduced, all_reduced_elements);
    append(Collective::KIND_REDUCE_SCATTER, scattered, scattered_elements);
    append(Collective::KIND_ALL_GATHER, gathered, gathered_elements);
  }
};

void AddMuonCollectives(const EstimateInput& input,
                        std::vector<Collective>* plans) {
  MuonLevel tensor{Collective::GROUP_TENSOR};
  MuonLevel data{Collective::GROUP_DATA};
  for (const zero::MuonRound& round :
       MuonRoundsOf(input, input.partitioned.locals[0])) {
    if (input.partitioned.tensor_parallel_size > 1)
      tensor.Add(round.tensor_ways, /*sum=*/true, round.elements());
    if (input.data_parallel_size > 1) {
      data.Add(round.data_ways, /*sum=*/StageOf(input) > 0,
               round.elements() / round.tensor_ways);
    }
  }
  tensor.AppendTo(plans);
  data.AppendTo(plans);
}

}  // namespace

int64_t BytesOf(v1::DataType type) {
  return type == v1::DATA_TYPE_BFLOAT16 || type == v1::DATA_TYPE_FLOAT16
             ? 2
             : kFloatBytes;
}

int64_t ComputeBytes(const v1::TrainingConfig& training) {
  return BytesOf(training.compute_dtype());
}

std::vector<zero::MuonRound> MuonRoundsOf(const EstimateInput& input,
                                          const Program& local) {
  std::vector<int64_t> elements;
  for (const program::Parameter& parameter : local.parameters) {
    elements.push_back(parameter.orthogonalized ? Elements(parameter.shape)
                                                : 0);
  }
  return zero::MuonRounds(elements, input.partitioned.tensor_parallel_size,
                          static_cast<int>(input.data_parallel_size));
}

int StageOf(const EstimateInput& input) {
  return input.data_parallel_size == 1 ? 0 : input.training.zero_stage();
}

const Program& FullestLocal(const partition::Partitioned& partitioned) {
  const Program* fullest = nullptr;
  int64_t most = -1;
  for (const Program& local : partitioned.locals) {
    int64_t elements = 0;
    for (const program::Value& value : local.values)
      elements += Elements(value.shape);
    if (elements <= most) continue;
    most = elements;
    fullest = &local;
  }
  return *fullest;
}

zero::FlatLayout LayoutOf(const EstimateInput& input, const Program& local) {
  std::vector<zero::FlatParameter> parameters;
  for (const program::Parameter& parameter : local.parameters) {
    parameters.push_back({Elements(local.values[parameter.value].shape),
                          parameter.partial_gradient});
  }
  return zero::FlatLayout(
      std::move(parameters), static_cast<int>(input.data_parallel_size),
      zero::BucketElements(input.training.reduce_bucket_elements()));
}

std::vector<Collective> CollectivesOf(const EstimateInput& input) {
  std::vector<Collective> plans;
  const zero::FlatLayout layout =
      LayoutOf(input, FullestLocal(input.partitioned));
  if (input.partitioned.tensor_parallel_size > 1) {
    AddTensorCollectives(input, &plans);
    AddGradientSum(layout, StageOf(input),
                   BytesOf(input.training.communication_dtype()), &plans);
  }
  if (input.data_parallel_size > 1) AddDataCollectives(input, layout, &plans);
  AddMuonCollectives(input, &plans);
  return plans;
}

}  // namespace autotp::planner
