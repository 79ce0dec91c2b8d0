// partition.h -- one program becomes one local program per tensor-parallel
// rank, with the collectives that keep its function.
//
// Flow: planner/ -> Partition() -> local programs, cut classes, reasons.
//
// Pure: same inputs, same output. Right for any set of requests: where a cut
// value meets an operation that cannot take it, it is gathered, and the
// gather is reported.
#ifndef AUTOTP_COORDINATOR_PARTITION_PARTITION_H_
#define AUTOTP_COORDINATOR_PARTITION_PARTITION_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "autotp/v1/training.pb.h"
#include "coordinator/program/program.h"

namespace autotp::partition {

// What a rule wants of one parameter.
struct ParameterRequest {
  enum class Want {
    kAuto,   // as dataflow decides (heuristics)
    kWhole,  // replicated
    kCut,    // cut along `dim`, by the units that the program gives
  };
  Want want = Want::kAuto;
  int dim = 0;
};

struct PartitionOptions {
  int tensor_parallel_size = 1;
  // Columns and rows, but not heads, are shared out in multiples of so many
  // elements of a weight; the last rank takes the rest.
  int64_t grain = 1;
  // By parameter name; a parameter that is absent is kAuto.
  std::map<std::string, ParameterRequest> requests;
  // Activations between blocks are cut by tokens: sequence_parallel.h.
  bool sequence_parallel = false;
  // Leaves only the fullest rank's local program: enough to count what a rank
  // needs. LocalProgram() makes the others.
  bool fullest_only = false;
  // What local programs compute again in the backward.
  v1::Recomputation recomputation = v1::RECOMPUTATION_NONE;
};

// Cuts that must agree, and how their units are split.
struct CutClass {
  std::string name;  // "attention", "mlp", "vocabulary", or a weight's name
  std::string unit;  // "KV group", "head", "column", "row"
  int64_t units = 0;
  std::vector<int64_t> units_per_rank;  // empty: not cut
  std::string reason;
  std::string missing_rule;  // the operation whose rule is missing; else empty
  // Parameter name and the dimension along which it belongs to the class.
  std::vector<std::pair<std::string, int>> members;
};

struct ParameterCut {
  int dim = -1;                           // -1: whole
  std::vector<program::Intervals> ranks;  // [tp rank], if cut
  std::vector<int64_t> blocks;            // lengths cut separately
  int cut_class = -1;                     // index into classes
  bool partial_gradient = false;
  std::string reason;
};

// One collective of the local programs (all ranks run the same ones).
struct CollectiveUse {
  program::Operation operation;  // kCopy, kAllReduce, kAllGather,
                                 // kReduceScatter, kCrossEntropy, kRmsNorm
                                 // (of a cut width)
  bool backward = false;         // in which it runs; else in the forward
  int64_t elements = 0;          // of its payload, padding included
  int64_t calls = 1;             // of the communicator
  // Whose result is exchanged; of a copy, those that read it. Indices into
  // Program::parameters.
  std::vector<int> parameters;
  std::string scope;
  std::string reason;  // of a gather that the rules force: the operation that
                       // needed it, and the change of them that avoids it
};

struct SpmdProgram;

struct Partitioned {
  int tensor_parallel_size = 1;
  std::vector<CutClass> classes;
  std::map<std::string, ParameterCut> parameters;
  std::vector<CollectiveUse> collectives;   // in program order
  std::vector<program::Program> locals;     // [tp rank], or the fullest's alone
  std::shared_ptr<const SpmdProgram> spmd;  // all ranks' as one; null: one rank
  v1::Recomputation recomputation = v1::RECOMPUTATION_NONE;  // of the locals
};

// With tensor_parallel_size 1 the only local program equals `program`.
// INVALID_ARGUMENT: a request names no parameter or no dimension of it, or a
// cut class has no unit at all.
absl::StatusOr<Partitioned> Partition(const program::Program& program,
                                      const PartitionOptions& options);

// Of that rank. `program` is the one that was partitioned.
program::Program LocalProgram(const program::Program& program,
                              const Partitioned& partitioned, int rank);

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_PARTITION_H_
