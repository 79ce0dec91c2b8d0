#include "coordinator/planner/estimate.h"

#include <algorithm>
#include <utility>

#include "coordinator/planner/layer_names.h"

namespace autotp::planner {
namespace {

using partition::CollectiveUse;
using program::Node;
using program::Operation;
using program::Program;

constexpr int64_t kFloatBytes = 4;

int64_t Elements(const std::vector<int64_t>& shape) {
  int64_t elements = 1;
  for (const int64_t size : shape) elements *= size;
  return elements;
}

int64_t ComputeBytes(const v1::TrainingConfig& training) {
  return training.compute_dtype() == v1::DATA_TYPE_FLOAT32 ? kFloatBytes : 2;
}

int64_t LocalElements(const Program& local) {
  int64_t elements = 0;
  for (const program::Parameter& parameter : local.parameters) {
    elements += Elements(local.values[parameter.value].shape);
  }
  return elements;
}

// Of the rank that holds most.
int64_t LargestLocalElements(const partition::Partitioned& partitioned) {
  int64_t largest = 0;
  for (const Program& local : partitioned.locals) {
    largest = std::max(largest, LocalElements(local));
  }
  return largest;
}

v1::CollectivePlan Step(v1::CollectivePlan::Kind kind,
                        v1::CollectivePlan::Group group, int64_t count,
                        int64_t bytes) {
  v1::CollectivePlan plan;
  plan.set_kind(kind);
  plan.set_group(group);
  plan.set_phase("step");
  plan.set_count(count);
  plan.set_bytes(bytes);
  return plan;
}

// What one use is, without count and bytes.
v1::CollectivePlan KindOf(const CollectiveUse& use) {
  v1::CollectivePlan plan;
  plan.set_group(v1::CollectivePlan::GROUP_TENSOR);
  plan.set_phase("forward");
  switch (use.operation) {
    case Operation::kCopy:
      plan.set_kind(v1::CollectivePlan::KIND_ALL_REDUCE);
      plan.set_phase("backward");
      break;
    case Operation::kAllGather:
      plan.set_kind(v1::CollectivePlan::KIND_ALL_GATHER);
      plan.set_reason(WithoutNumbers(use.reason));
      break;
    case Operation::kCrossEntropy:
      plan.set_kind(v1::CollectivePlan::KIND_LOSS);
      break;
    default:
      plan.set_kind(v1::CollectivePlan::KIND_ALL_REDUCE);
      break;
  }
  return plan;
}

void AddTensorCollectives(const EstimateInput& input,
                          std::vector<v1::CollectivePlan>* plans) {
  for (const CollectiveUse& use : input.partitioned.collectives) {
    v1::CollectivePlan plan = KindOf(use);
    // The loss is computed in fp32.
    const int64_t width = plan.kind() == v1::CollectivePlan::KIND_LOSS
                              ? kFloatBytes
                              : ComputeBytes(input.training);
    const int64_t bytes =
        use.elements * width * input.training.accumulation_steps();
    const auto same = std::find_if(
        plans->begin(), plans->end(), [&plan](const v1::CollectivePlan& p) {
          return p.kind() == plan.kind() && p.phase() == plan.phase() &&
                 p.reason() == plan.reason();
        });
    v1::CollectivePlan& into =
        same == plans->end() ? plans->emplace_back(std::move(plan)) : *same;
    into.set_count(into.count() + 1);
    into.set_bytes(into.bytes() + bytes);
  }
}

void AddStepCollectives(const EstimateInput& input,
                        std::vector<v1::CollectivePlan>* plans) {
  using Collective = v1::CollectivePlan;
  int64_t partial = 0;
  for (const program::Parameter& parameter :
       input.partitioned.locals[0].parameters) {
    if (!parameter.partial_gradient) continue;
    partial +=
        Elements(input.partitioned.locals[0].values[parameter.value].shape);
  }
  if (partial > 0) {
    plans->push_back(Step(Collective::KIND_GRADIENT_SUM,
                          Collective::GROUP_TENSOR, 1, partial * kFloatBytes));
  }
  if (input.data_parallel_size == 1) return;
  const v1::TrainingConfig& training = input.training;
  const int64_t elements = LargestLocalElements(input.partitioned);
  const auto buckets = [elements](int64_t size) {
    return size < 1 ? 1 : (elements + size - 1) / size;
  };
  const int64_t reduce_buckets = buckets(training.reduce_bucket_elements());
  if (training.zero_stage() == 0) {
    plans->push_back(Step(Collective::KIND_ALL_REDUCE, Collective::GROUP_DATA,
                          reduce_buckets, elements * kFloatBytes));
    return;
  }
  const int64_t times =
      training.zero_stage() == 2 ? training.accumulation_steps() : 1;
  plans->push_back(Step(Collective::KIND_REDUCE_SCATTER, Collective::GROUP_DATA,
                        reduce_buckets * times,
                        elements * kFloatBytes * times));
  plans->push_back(Step(Collective::KIND_ALL_GATHER, Collective::GROUP_DATA,
                        buckets(training.allgather_bucket_elements()),
                        elements * ComputeBytes(training)));
}

// Values that the backward may need: all that nodes make, but for views.
int64_t ActivationBytes(const Program& local, int64_t compute_bytes) {
  int64_t bytes = 0;
  for (const Node& node : local.nodes) {
    if (node.operation == Operation::kReshape ||
        node.operation == Operation::kTranspose ||
        node.operation == Operation::kSlice ||
        node.operation == Operation::kCopy) {
      continue;
    }
    for (const program::ValueId output : node.outputs) {
      const program::Value& value = local.values[output];
      bytes += Elements(value.shape) * (value.kind == program::ValueKind::kFloat
                                            ? compute_bytes
                                            : kFloatBytes);
    }
  }
  return bytes;
}

// Keys that a query sees, summed over the queries of one sequence.
double VisibleKeys(int64_t length, int64_t window) {
  const auto t = static_cast<double>(length);
  if (window <= 0 || window >= length) return t * (t + 1) / 2;
  const auto w = static_cast<double>(window);
  return w * (w + 1) / 2 + (t - w) * w;
}

// Multiplications and additions of one forward over the whole micro-batch.
double ForwardFlops(const Program& program) {
  double flops = 0;
  for (const Node& node : program.nodes) {
    if (node.operation == Operation::kLinear) {
      const std::vector<int64_t>& weight = program.values[node.inputs[1]].shape;
      const std::vector<int64_t>& x = program.values[node.inputs[0]].shape;
      flops += 2.0 * static_cast<double>(Elements(x)) *
               static_cast<double>(weight[0]);
    } else if (node.operation == Operation::kAttention) {
      const std::vector<int64_t>& q = program.values[node.inputs[0]].shape;
      const double keys =
          VisibleKeys(q[2], program::IntegerOf(node, "window", 0));
      flops += 4.0 * keys * static_cast<double>(q[0] * q[1] * q[3]);
    }
  }
  return flops;
}

}  // namespace

int64_t ParameterElements(const Program& program) {
  int64_t elements = 0;
  for (const program::Parameter& parameter : program.parameters) {
    elements += Elements(parameter.shape);
  }
  return elements;
}

std::vector<v1::CollectivePlan> CollectivesOf(const EstimateInput& input) {
  std::vector<v1::CollectivePlan> plans;
  if (input.partitioned.locals.size() > 1) AddTensorCollectives(input, &plans);
  AddStepCollectives(input, &plans);
  return plans;
}

v1::Estimate EstimateOf(const EstimateInput& input,
                        const std::vector<v1::CollectivePlan>& collectives) {
  const v1::TrainingConfig& training = input.training;
  const int64_t elements = LargestLocalElements(input.partitioned);
  const int64_t compute_bytes = ComputeBytes(training);
  const auto shard = [&input](int64_t bytes, bool sharded) {
    return sharded ? (bytes + input.data_parallel_size - 1) /
                         input.data_parallel_size
                   : bytes;
  };
  v1::Estimate estimate;
  estimate.set_parameter_bytes(elements * compute_bytes);
  estimate.set_gradient_bytes(
      shard(elements * kFloatBytes, training.zero_stage() >= 2));
  // Two moments, and master weights where the weights are not fp32.
  const int64_t states = compute_bytes == kFloatBytes ? 2 : 3;
  estimate.set_optimizer_bytes(
      shard(elements * kFloatBytes * states, training.zero_stage() >= 1));
  int64_t activations = 0;
  for (const Program& local : input.partitioned.locals) {
    activations = std::max(activations, ActivationBytes(local, compute_bytes));
  }
  estimate.set_activation_bytes(activations);
  estimate.set_total_bytes(
      estimate.parameter_bytes() + estimate.gradient_bytes() +
      estimate.optimizer_bytes() + estimate.activation_bytes());

  const std::vector<int64_t>& ids =
      input.whole.values[input.whole.inputs[0]].shape;
  // The backward does each product twice: for the input and for the weight.
  estimate.set_flops_per_token(3 * ForwardFlops(input.whole) /
                               static_cast<double>(Elements(ids)));
  int64_t tensor = 0;
  int64_t data = 0;
  for (const v1::CollectivePlan& plan : collectives) {
    (plan.group() == v1::CollectivePlan::GROUP_DATA ? data : tensor) +=
        plan.bytes();
  }
  estimate.set_tensor_parallel_bytes_per_step(tensor);
  estimate.set_data_parallel_bytes_per_step(data);
  return estimate;
}

}  // namespace autotp::planner
