// program.h -- a model as a typed graph of operations.
//
// Flow: model/ builds one with builder.h -> plan/ places its parameters ->
// partition/ makes one local program per tensor-parallel rank -> ToProto ->
// the trainers run it.
//
// A program is made for one micro-batch and sequence length, so all shapes are
// numbers. Nodes are in an order in which they can run; every value has one
// producer: a node, a parameter, or the program's inputs.
#ifndef AUTOTP_COORDINATOR_PROGRAM_PROGRAM_H_
#define AUTOTP_COORDINATOR_PROGRAM_PROGRAM_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "autotp/v1/program.pb.h"
#include "coordinator/program/interval.h"
#include "coordinator/program/operation.h"

namespace autotp::program {

using ValueId = int32_t;
inline constexpr ValueId kNoValue = -1;  // an optional input that is absent

// Limits of one value, so that sizes are counted in int64 without a thought.
inline constexpr int64_t kMostElements = int64_t{1} << 42;
inline constexpr size_t kMostDims = 16;

enum class ValueKind { kFloat, kIndex, kFloat32, kBool };

struct Value {
  std::string name;
  std::vector<int64_t> shape;
  ValueKind kind = ValueKind::kFloat;
};

using Attribute = std::variant<int64_t, double, bool, std::string,
                               std::vector<int64_t>, std::vector<double>>;
using Attributes = std::map<std::string, Attribute, std::less<>>;

struct Node {
  Operation operation;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  Attributes attributes;
  std::string scope;  // module path, for people
  // In local programs: nodes of one region keep nothing and are run again in
  // the backward, from the values that enter the region. 0: none.
  int recompute_region = 0;
  std::string aten;  // kAten: which one
};

struct Initialization {
  enum class Kind { kNormal, kOnes, kZeros };
  Kind kind = Kind::kNormal;
  double standard_deviation = 0.02;
  int64_t zero_row = -1;  // padding_idx: that row starts at zero
};

struct Parameter {
  std::string name;  // the Hugging Face name
  ValueId value = kNoValue;
  std::vector<int64_t> shape;  // of the whole tensor
  std::vector<std::string> aliases;
  Initialization initialization;
  std::string source_file;    // safetensors file; empty: none
  std::string source_tensor;  // its name there
  // Elements of that tensor before this one's: not 0 in fused tensors only.
  int64_t source_offset = 0;
  std::vector<int64_t> source_shape;  // of a fused tensor
  // Not trained: no gradient, no weight decay. A buffer of the model.
  bool frozen = false;
  bool undecayed = false;       // no weight decay
  bool orthogonalized = false;  // by Muon

  // In local programs: the intervals of `cut_dim` that this rank owns.
  int cut_dim = -1;  // -1: whole
  Intervals intervals;
  bool partial_gradient = false;  // sum over TP ranks once per step
};

struct Program {
  std::string name;
  std::vector<Value> values;  // [ValueId]
  std::vector<Node> nodes;
  std::vector<Parameter> parameters;
  // input_ids[B,T], labels[B,T], and where documents are packed positions[B,T]:
  // tokens of the same document before each.
  std::vector<ValueId> inputs;
  ValueId loss = kNoValue;
};

// "rms_norm", "aten.mul.Tensor": as in proto/autotp/v1/program.proto.
std::string NodeName(const Node& node);

// Attribute access. REQUIRES: present with that type, or `fallback` given.
int64_t IntegerOf(const Node& node, absl::string_view name);
int64_t IntegerOf(const Node& node, absl::string_view name, int64_t fallback);
double NumberOf(const Node& node, absl::string_view name);
double NumberOf(const Node& node, absl::string_view name, double fallback);
bool FlagOf(const Node& node, absl::string_view name, bool fallback);
const std::string& TextOf(const Node& node, absl::string_view name);
const std::vector<int64_t>& IntegersOf(const Node& node,
                                       absl::string_view name);
const std::vector<double>& NumbersOf(const Node& node, absl::string_view name);

// INVALID_ARGUMENT naming the node: a value beyond the limits, used before it
// is made or made twice, a wrong number of inputs, a missing attribute, a shape
// that the operation's rule does not give. Whatever the program, whoever made
// it: this does not crash.
absl::Status CheckProgram(const Program& program);

// One line per parameter and node; same program, same text.
std::string DescribeProgram(const Program& program);

v1::Program ToProto(const Program& program);
// INVALID_ARGUMENT on unknown operations or malformed messages; the result
// has passed CheckProgram.
absl::StatusOr<Program> FromProto(const v1::Program& message);

}  // namespace autotp::program

#endif  // AUTOTP_COORDINATOR_PROGRAM_PROGRAM_H_
