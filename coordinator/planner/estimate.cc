#include "coordinator/planner/estimate.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "coordinator/planner/activation_memory.h"
#include "coordinator/planner/flops.h"
#include "proto/support/optimizer_states.h"

namespace autotp::planner {
namespace {

using program::Program;

constexpr int64_t kFloatBytes = 4;

int64_t Elements(const std::vector<int64_t>& shape) {
  int64_t elements = 1;
  for (const int64_t size : shape) elements *= size;
  return elements;
}

// States in their own type, and masters where they are apart from the weights.
int64_t OptimizerBytes(const EstimateInput& input, const Program& local,
                       const zero::FlatLayout& layout) {
  const v1::TrainingConfig& training = input.training;
  std::vector<int> states;
  for (const program::Parameter& parameter : local.parameters) {
    states.push_back(static_cast<int>(
        zero::OptimizerStates(training.optimizer(), parameter.orthogonalized)
            .size()));
  }
  const bool whole = StageOf(input) == 0;
  int64_t most = 0;
  for (int shard = whole ? -1 : 0; shard < (whole ? 0 : layout.shards());
       ++shard)
    most = std::max(most, zero::StateElements(layout, states, shard));
  int64_t bytes = most * BytesOf(training.state_dtype());
  if (BytesOf(training.master_dtype()) != ComputeBytes(training)) {
    bytes += (whole ? layout.elements() : layout.shard_elements()) *
             BytesOf(training.master_dtype());
  }
  return bytes;
}

// Whole matrices on their way, and the scratch of one product.
int64_t MuonBytes(const EstimateInput& input, const Program& local) {
  int64_t most = 0;
  for (const zero::MuonRound& round : MuonRoundsOf(input, local)) {
    const std::vector<int64_t>& shape =
        local.parameters[round.parameters[0]].shape;
    const int64_t side =
        std::min(shape[shape.size() - 2], shape[shape.size() - 1]);
    const int64_t matrix = shape[shape.size() - 2] * shape[shape.size() - 1];
    most = std::max(most, round.elements() + matrix + 2 * side * side);
  }
  return most * kFloatBytes;
}

int64_t LongestBucket(const zero::FlatLayout& layout) {
  int64_t longest = 0;
  for (const zero::Bucket& bucket : layout.buckets())
    longest = std::max(longest, bucket.range.size());
  return longest;
}

// Where gradients are sharded or kept in a 16-bit type: buckets whose gradients
// are being made, one that is being reduced if `reduces`, and one kept for the
// next, all as long as the longest.
int64_t BucketBytes(const Program& local, const zero::FlatLayout& layout,
                    bool reduces) {
  std::map<program::ValueId, int> parameter_of;
  std::map<program::ValueId, size_t> first_use;
  for (size_t p = 0; p < local.parameters.size(); ++p)
    parameter_of[local.parameters[p].value] = static_cast<int>(p);
  for (size_t n = 0; n < local.nodes.size(); ++n) {
    for (const program::ValueId v : local.nodes[n].inputs)
      if (parameter_of.contains(v)) first_use.emplace(v, n);
  }
  std::vector<int> pending;
  for (const zero::Bucket& bucket : layout.buckets())
    pending.push_back(static_cast<int>(bucket.parameters.size()));
  std::set<int> open;
  bool reducing = false;
  bool spare = false;
  size_t most = 0;
  for (size_t n = local.nodes.size(); n-- > 0;) {
    for (const program::ValueId v : local.nodes[n].inputs) {
      const auto parameter = parameter_of.find(v);
      if (parameter == parameter_of.end()) continue;
      const int bucket = layout.bucket_of(parameter->second);
      if (open.insert(bucket).second) spare = false;
      most = std::max(most, open.size() + (reducing ? 1 : 0) + (spare ? 1 : 0));
      if (first_use.at(v) != n || --pending[bucket] > 0) continue;
      spare = reducing || !reduces;  // the reduction before ends first
      reducing = reduces;
      open.erase(bucket);
      most = std::max(most, open.size() + 1 + (spare ? 1 : 0));
    }
  }
  return static_cast<int64_t>(most) * LongestBucket(layout) * kFloatBytes;
}

// What gradients pass through on their way to the update.
int64_t GradientRoom(const v1::TrainingConfig& training, int stage,
                     const Program& local, const zero::FlatLayout& layout) {
  const v1::DataType kept = training.gradient_dtype();
  const v1::DataType sent = training.communication_dtype();
  const bool is_narrow = BytesOf(kept) < kFloatBytes;
  int64_t bytes = 0;
  if (stage == 2 || is_narrow) bytes += BucketBytes(local, layout, stage == 2);
  if (is_narrow) bytes += LongestBucket(layout) * kFloatBytes;
  if (kept != sent || (stage == 2 && BytesOf(sent) < kFloatBytes))
    bytes += LongestBucket(layout) * BytesOf(sent);
  return bytes;
}

// Stages 1 and 2: the room of an all-gather that takes a bucket in parts.
int64_t GatherBytes(const v1::TrainingConfig& training,
                    const zero::FlatLayout& layout, int64_t compute_bytes) {
  int64_t longest = 0;
  for (const zero::Bucket& bucket : layout.buckets())
    longest = std::max(longest, bucket.range.size() / layout.shards());
  const int64_t part =
      zero::GatherPart(layout.shards(), training.allgather_bucket_elements());
  return part < longest ? part * layout.shards() * compute_bytes : 0;
}

}  // namespace

int64_t ParameterElements(const Program& program) {
  int64_t elements = 0;
  for (const program::Parameter& parameter : program.parameters) {
    elements += Elements(parameter.shape);
  }
  return elements;
}

v1::Estimate EstimateOf(const EstimateInput& input,
                        const std::vector<v1::CollectivePlan>& collectives) {
  const v1::TrainingConfig& training = input.training;
  const Program& local = FullestLocal(input.partitioned);
  const int64_t compute_bytes = ComputeBytes(training);
  const int stage = StageOf(input);
  const zero::FlatLayout layout = LayoutOf(input, local);
  const auto held = [&layout](bool sharded) {
    return sharded ? layout.shard_elements() : layout.elements();
  };
  v1::Estimate estimate;
  estimate.set_parameter_bytes(layout.elements() * compute_bytes);
  estimate.set_gradient_bytes(held(stage >= 2) *
                              BytesOf(training.gradient_dtype()));
  estimate.set_optimizer_bytes(OptimizerBytes(input, local, layout));
  const MicroStepMemory memory = MeasureMicroStep(local, compute_bytes);
  estimate.set_activation_bytes(memory.peak_bytes);
  estimate.set_recomputation_saved_bytes(memory.saved_bytes);
  // The backward's rooms stay; Muon's stand beside them.
  estimate.set_buffer_bytes(
      GradientRoom(training, stage, local, layout) +
      (stage > 0 ? GatherBytes(training, layout, compute_bytes) : 0) +
      MuonBytes(input, local));
  estimate.set_total_bytes(
      estimate.parameter_bytes() + estimate.gradient_bytes() +
      estimate.optimizer_bytes() + estimate.activation_bytes() +
      estimate.buffer_bytes());

  const std::vector<int64_t>& ids =
      input.whole.values[input.whole.inputs[0]].shape;
  estimate.set_flops_per_token(MicroStepFlops(input.whole) /
                               static_cast<double>(Elements(ids)));
  estimate.set_recomputation_flops_per_token(
      memory.flops_again * input.partitioned.tensor_parallel_size /
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
