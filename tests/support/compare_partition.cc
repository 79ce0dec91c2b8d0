#include "tests/support/compare_partition.h"

#include <algorithm>
#include <utility>

#include "coordinator/partition/partition.h"
#include "coordinator/program/program.h"
#include "proto/support/status_macros.h"
#include "worker/checkpoint/weight_loader.h"

namespace autotp::testing {

absl::StatusOr<NamedNumbers> LoadNumbers(const v1::Program& program,
                                         uint64_t seed) {
  NamedNumbers numbers = RandomWeights(program, seed);
  checkpoint::WeightLoader loader(v1::ModelSource::INITIALIZATION_UNSPECIFIED,
                                  0);
  for (const v1::Parameter& parameter : program.parameters()) {
    if (parameter.source().file().empty()) continue;
    AUTOTP_RETURN_IF_ERROR(
        loader.Load(parameter, numbers[parameter.name()].data()));
  }
  return numbers;
}

absl::StatusOr<Comparison> ComparePartition(const model::LoadedModel& model,
                                            int tensor_parallel_size,
                                            uint64_t seed) {
  AUTOTP_ASSIGN_OR_RETURN(
      const partition::Partitioned partitioned,
      partition::Partition(
          model.program,
          {.tensor_parallel_size = tensor_parallel_size, .requests = {}}));
  const v1::Program whole = program::ToProto(model.program);
  std::vector<v1::Program> locals;
  for (const program::Program& local : partitioned.locals)
    locals.push_back(program::ToProto(local));
  AUTOTP_ASSIGN_OR_RETURN(const NamedNumbers weights, LoadNumbers(whole, seed));
  const InputBytes inputs = RandomColumns(
      whole, std::max<int64_t>(model.vocabulary_size, 2), seed + 1);
  const absl::StatusOr<GroupResult> whole_run =
      RunRanks({whole}, weights, inputs);
  if (!whole_run.ok()) return Annotate(whole_run.status(), "one rank");
  const GroupResult& want = *whole_run;
  AUTOTP_ASSIGN_OR_RETURN(const GroupResult got,
                          RunRanks(locals, weights, inputs));

  Comparison comparison;
  comparison.difference = Compare(got, want);
  comparison.loss = want.loss;
  for (const partition::CollectiveUse& use : partitioned.collectives) {
    comparison.copies += use.operation == program::Operation::kCopy;
    comparison.reductions += use.operation == program::Operation::kAllReduce;
    if (use.operation != program::Operation::kAllGather) continue;
    ++comparison.gathers;
    comparison.reasons.push_back(use.reason);
  }
  double cut = 0;
  double all = 0;
  for (const program::Parameter& parameter : model.program.parameters) {
    if (parameter.frozen) continue;
    double elements = 1;
    for (const int64_t size : parameter.shape)
      elements *= static_cast<double>(size);
    all += elements;
    const auto found = partitioned.parameters.find(parameter.name);
    if (found != partitioned.parameters.end() && found->second.dim >= 0) {
      cut += elements;
    } else if (parameter.shape.size() > 1) {
      comparison.whole.push_back(parameter.name);
    }
  }
  comparison.cut = all > 0 ? cut / all : 0;
  return comparison;
}

}  // namespace autotp::testing
