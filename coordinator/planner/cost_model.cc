#include "coordinator/planner/cost_model.h"

namespace autotp::planner {
namespace {

using Collective = v1::CollectivePlan;

constexpr double kBFloat16Flops = 450e12;
constexpr double kFloat32Flops = 45e12;
constexpr double kTensorBandwidth = 350e9;
constexpr double kDataBandwidth = 40e9;
constexpr double kCollectiveSeconds = 15e-6;
constexpr double kMemoryBandwidth = 2.5e12;

double Or(double wish, double otherwise) { return wish > 0 ? wish : otherwise; }

// How often a byte of the payload crosses a rank's link.
double Crossings(Collective::Kind kind, int ranks) {
  const double once = ranks > 1 ? (ranks - 1.0) / ranks : 0;
  return kind == Collective::KIND_ALL_GATHER ||
                 kind == Collective::KIND_REDUCE_SCATTER
             ? once
             : 2 * once;
}

}  // namespace

v1::CostModel CostModelFor(const v1::CostModel& wish, v1::DataType compute) {
  v1::CostModel cost;
  cost.set_flops_per_second(
      Or(wish.flops_per_second(),
         compute == v1::DATA_TYPE_FLOAT32 ? kFloat32Flops : kBFloat16Flops));
  cost.set_tensor_bytes_per_second(
      Or(wish.tensor_bytes_per_second(), kTensorBandwidth));
  cost.set_data_bytes_per_second(
      Or(wish.data_bytes_per_second(), kDataBandwidth));
  cost.set_collective_seconds(
      Or(wish.collective_seconds(), kCollectiveSeconds));
  cost.set_memory_bytes_per_second(
      Or(wish.memory_bytes_per_second(), kMemoryBandwidth));
  return cost;
}

void SetSeconds(const v1::CostModel& cost, const StepWork& work,
                v1::LayoutChoice* choice) {
  choice->set_compute_seconds(work.rank_flops / cost.flops_per_second() +
                              static_cast<double>(work.bytes_again) /
                                  cost.memory_bytes_per_second());
  double tensor = 0;
  double data = 0;
  for (const Collective& use : work.collectives) {
    const bool is_data = use.group() == Collective::GROUP_DATA;
    const int ranks =
        is_data ? choice->data_parallel_size() : choice->tensor_parallel_size();
    // Those of a micro-step are counted in one of them; bytes are a step's.
    const int64_t times = use.phase() == "step" ? 1 : work.accumulation;
    const double seconds =
        static_cast<double>(use.count() * times) * cost.collective_seconds() +
        static_cast<double>(use.bytes()) * Crossings(use.kind(), ranks) /
            (is_data ? cost.data_bytes_per_second()
                     : cost.tensor_bytes_per_second());
    (is_data ? data : tensor) += seconds;
  }
  choice->set_tensor_seconds(tensor);
  choice->set_data_seconds(data);
  choice->set_update_seconds(static_cast<double>(work.update_bytes) /
                             cost.memory_bytes_per_second());
  choice->set_step_seconds(choice->compute_seconds() + tensor + data +
                           choice->update_seconds());
}

}  // namespace autotp::planner
