#include "tests/support/program_interpreter.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/program/shape_rules.h"
#include "proto/support/status_macros.h"
#include "tests/support/cut_norm.h"
#include "tests/support/program_kernels.h"

namespace autotp::testing {

using program::IntegerOf;
using program::IntegersOf;
using program::kNoValue;
using program::Node;
using program::Operation;
using program::Parameter;
using program::Program;
using program::ShapeText;
using program::ValueId;

namespace {

bool Synchronizes(const Node& node) {
  switch (node.operation) {
    case Operation::kCopy:
    case Operation::kAllReduce:
    case Operation::kAllGather:
    case Operation::kReduceScatter:
      return true;
    case Operation::kCrossEntropy:
      return IntegerOf(node, "row_begin", -1) >= 0;
    case Operation::kRmsNorm:
      return node.attributes.contains("size");
    default:
      return false;
  }
}

void AddTo(Tensor* sum, const Tensor& x) {
  if (sum->data.empty() && sum->shape.empty()) {
    *sum = x;
    return;
  }
  for (size_t i = 0; i < x.data.size(); ++i) sum->data[i] += x.data[i];
}

// One rank's run: its values, then their gradients.
struct Rank {
  const Program* program = nullptr;
  std::vector<Tensor> values;
  std::vector<Tensor> gradients;  // empty: nothing has arrived
  std::vector<LossParts> losses;  // [node]
  int64_t position = 0;

  const Node& node() const { return program->nodes[position]; }
  TensorPointers Inputs() const {
    TensorPointers inputs;
    for (ValueId id : node().inputs)
      inputs.push_back(id == kNoValue ? nullptr : &values[id]);
    return inputs;
  }
  Tensor GradientOf(ValueId id) const {
    return gradients[id].shape == values[id].shape &&
                   gradients[id].data.size() == values[id].data.size()
               ? gradients[id]
               : Zeros(values[id].shape);
  }
  void Receive(const std::vector<Tensor>& arrived) {
    for (size_t i = 0; i < std::min(arrived.size(), node().inputs.size());
         ++i) {
      const ValueId id = node().inputs[i];
      if (id != kNoValue &&
          program->values[id].kind != program::ValueKind::kIndex)
        AddTo(&gradients[id], arrived[i]);
    }
  }
};

class Group {
 public:
  explicit Group(std::vector<Rank>* ranks) : ranks_(*ranks) {}

  absl::Status Forward() {
    while (true) {
      for (Rank& rank : ranks_) {
        const int64_t count = static_cast<int64_t>(rank.program->nodes.size());
        for (; rank.position < count && !Synchronizes(rank.node());
             ++rank.position)
          RunLocal(&rank);
      }
      AUTOTP_ASSIGN_OR_RETURN(const bool at_end, Meet());
      if (at_end) return absl::OkStatus();
      AUTOTP_RETURN_IF_ERROR(RunTogether());
      for (Rank& rank : ranks_) ++rank.position;
    }
  }

  absl::Status Backward() {
    for (Rank& rank : ranks_) {
      --rank.position;
      rank.gradients[rank.program->loss] = Tensor{{}, {1.0}};
    }
    while (true) {
      for (Rank& rank : ranks_) {
        for (; rank.position >= 0 && !Synchronizes(rank.node());
             --rank.position)
          BackLocal(&rank);
      }
      AUTOTP_ASSIGN_OR_RETURN(const bool at_end, Meet());
      if (at_end) return absl::OkStatus();
      BackTogether();
      for (Rank& rank : ranks_) --rank.position;
    }
  }

 private:
  static bool AtEnd(const Rank& rank) {
    return rank.position < 0 ||
           rank.position >= static_cast<int64_t>(rank.program->nodes.size());
  }

  // All ranks wait at the same collective, or all are done.
  absl::StatusOr<bool> Meet() const {
    for (size_t r = 1; r < ranks_.size(); ++r) {
      const bool same = AtEnd(ranks_[r]) == AtEnd(ranks_[0]) &&
                        (AtEnd(ranks_[0]) || ranks_[r].node().operation ==
                                                 ranks_[0].node().operation);
      if (!same)
        return absl::InvalidArgumentError(
            absl::StrCat("rank ", r, " waits elsewhere than rank 0"));
    }
    return AtEnd(ranks_[0]);
  }

  static void RunLocal(Rank* rank) {
    const Node& node = rank->node();
    std::vector<Tensor> made;
    if (node.operation == Operation::kCrossEntropy) {
      const TensorPointers in = rank->Inputs();
      rank->losses[rank->position] =
          CrossEntropyForward({&node}, {in[0]}, *in[1]);
      made = {Tensor{{}, {rank->losses[rank->position].loss}}};
    } else {
      made = autotp::testing::Forward(node, rank->Inputs());
    }
    for (size_t i = 0; i < made.size(); ++i)
      rank->values[node.outputs[i]] = std::move(made[i]);
  }

  static void BackLocal(Rank* rank) {
    const Node& node = rank->node();
    const Tensor gradient = rank->GradientOf(node.outputs[0]);
    const TensorPointers in = rank->Inputs();
    if (node.operation == Operation::kCrossEntropy) {
      rank->Receive({CrossEntropyBackward(node, *in[0], *in[1],
                                          rank->losses[rank->position],
                                          gradient.data[0])});
    } else {
      rank->Receive(autotp::testing::Backward(node, in, gradient));
    }
  }

  absl::Status SameShapes() const {
    for (const Rank& rank : ranks_) {
      const Tensor& mine = rank.values[rank.node().inputs[0]];
      const Tensor& first = ranks_[0].values[ranks_[0].node().inputs[0]];
      if (mine.shape != first.shape) {
        return absl::InvalidArgumentError(
            absl::StrCat("an all-reduce of ", ShapeText(mine.shape), " and ",
                         ShapeText(first.shape)));
      }
    }
    return absl::OkStatus();
  }

  absl::Status RunTogether() {
    const Node& first = ranks_[0].node();
    std::vector<Tensor> made(ranks_.size());
    if (first.operation == Operation::kCopy) {
      for (size_t r = 0; r < ranks_.size(); ++r)
        made[r] = *ranks_[r].Inputs()[0];
    } else if (first.operation == Operation::kAllReduce) {
      AUTOTP_RETURN_IF_ERROR(SameShapes());
      made.assign(ranks_.size(), SumOf(AllFirstInputs()));
    } else if (first.operation == Operation::kAllGather) {
      made.assign(ranks_.size(), GatherParts(AllFirstInputs()));
    } else if (first.operation == Operation::kReduceScatter) {
      AUTOTP_RETURN_IF_ERROR(SameShapes());
      made = Scatter(SumOf(AllFirstInputs()));
    } else if (first.operation == Operation::kRmsNorm) {
      made = CutRmsNormForward(first, AllInputs());
    } else {
      std::vector<const Node*> nodes;
      TensorPointers logits;
      for (const Rank& rank : ranks_) {
        nodes.push_back(&rank.node());
        logits.push_back(rank.Inputs()[0]);
      }
      const LossParts parts =
          CrossEntropyForward(nodes, logits, *ranks_[0].Inputs()[1]);
      for (size_t r = 0; r < ranks_.size(); ++r) {
        ranks_[r].losses[ranks_[r].position] = parts;
        made[r] = Tensor{{}, {parts.loss}};
      }
    }
    for (size_t r = 0; r < ranks_.size(); ++r)
      ranks_[r].values[ranks_[r].node().outputs[0]] = std::move(made[r]);
    return absl::OkStatus();
  }

  std::vector<TensorPointers> AllInputs() const {
    std::vector<TensorPointers> inputs;
    for (const Rank& rank : ranks_) inputs.push_back(rank.Inputs());
    return inputs;
  }

  TensorPointers AllFirstInputs() const {
    TensorPointers inputs;
    for (const Rank& rank : ranks_) inputs.push_back(rank.Inputs()[0]);
    return inputs;
  }

  static Tensor SumOf(const TensorPointers& values) {
    Tensor sum = Zeros(values[0]->shape);
    for (const Tensor* value : values) AddTo(&sum, *value);
    return sum;
  }

  // The ranks' parts of the node's dimension, put together.
  Tensor GatherParts(const TensorPointers& parts) const {
    const Node& node = ranks_[0].node();
    const size_t dim = IntegerOf(node, "dim");
    std::vector<int64_t> shape = parts[0]->shape;
    shape[dim] = IntegerOf(node, "size");
    Tensor whole = Zeros(shape);
    for (size_t r = 0; r < ranks_.size(); ++r) {
      Node put;
      put.operation = Operation::kTake;
      put.attributes["dim"] = static_cast<int64_t>(dim);
      put.attributes["intervals"] = program::Encode(IntervalsOf(node, r));
      AddTo(&whole, autotp::testing::Backward(put, {&whole}, *parts[r])[0]);
    }
    return whole;
  }

  // Each rank's part of the node's dimension.
  std::vector<Tensor> Scatter(const Tensor& whole) const {
    std::vector<Tensor> parts;
    for (size_t r = 0; r < ranks_.size(); ++r) {
      const Node& node = ranks_[r].node();
      parts.push_back(TakeIntervals(whole,
                                    static_cast<int>(IntegerOf(node, "dim")),
                                    IntervalsOf(node, r)));
    }
    return parts;
  }

  static program::Intervals IntervalsOf(const Node& gather, size_t rank) {
    return (*program::DecodeRanks(IntegersOf(gather, "intervals")))[rank];
  }

  void BackTogether() {
    std::vector<Tensor> gradients;
    TensorPointers arrived;
    for (const Rank& rank : ranks_)
      gradients.push_back(rank.GradientOf(rank.node().outputs[0]));
    for (const Tensor& gradient : gradients) arrived.push_back(&gradient);
    std::vector<std::vector<Tensor>> made(ranks_.size());
    const Node& first = ranks_[0].node();
    if (first.operation == Operation::kRmsNorm) {
      made = CutRmsNormBackward(first, AllInputs(), gradients);
    } else if (first.operation == Operation::kReduceScatter) {
      const Tensor whole = GatherParts(arrived);
      for (std::vector<Tensor>& own : made) own = {whole};
    } else if (first.operation == Operation::kCopy) {
      const Tensor sum = SumOf(arrived);
      for (std::vector<Tensor>& own : made) own = {sum};
    } else if (first.operation == Operation::kAllGather) {
      const bool summed = program::FlagOf(first, "summed", false);
      const Tensor sum = summed ? SumOf(arrived) : Tensor{};
      for (size_t r = 0; r < ranks_.size(); ++r)
        made[r] = {Scatter(summed ? sum : gradients[r])[r]};
    } else {
      for (size_t r = 0; r < ranks_.size(); ++r)
        made[r] = {BackAlone(ranks_[r], gradients[r])};
    }
    for (size_t r = 0; r < ranks_.size(); ++r) ranks_[r].Receive(made[r]);
  }

  // Where the ranks need nothing of each other in the backward.
  static Tensor BackAlone(const Rank& rank, const Tensor& gradient) {
    if (rank.node().operation == Operation::kAllReduce) return gradient;
    const TensorPointers in = rank.Inputs();
    return CrossEntropyBackward(rank.node(), *in[0], *in[1],
                                rank.losses[rank.position], gradient.data[0]);
  }

  std::vector<Rank>& ranks_;
};

double Largest(const Tensor& x) {
  double largest = 0;
  for (double number : x.data) largest = std::max(largest, std::abs(number));
  return largest;
}

double Difference(const Tensor& a, const Tensor& b) {
  double difference = 0;
  for (size_t i = 0; i < a.data.size(); ++i) {
    const double one = std::abs(a.data[i] - b.data[i]);
    difference = one <= difference ? difference : one;  // keeps a NaN
  }
  return difference;
}

}  // namespace

Tensor Zeros(std::vector<int64_t> shape) {
  Tensor zeros{std::move(shape), {}};
  zeros.data.assign(program::ElementCount(zeros.shape), 0);
  return zeros;
}

Tensor TakeIntervals(const Tensor& x, int dim,
                     const program::Intervals& intervals) {
  std::vector<int64_t> shape = x.shape;
  shape[dim] = program::Length(intervals);
  Tensor taken = Zeros(shape);
  int64_t outer = 1;
  for (int d = 0; d < dim; ++d) outer *= shape[d];
  int64_t inner = 1;
  for (size_t d = dim + 1; d < shape.size(); ++d) inner *= shape[d];
  size_t at = 0;
  for (int64_t o = 0; o < outer; ++o)
    for (const program::Interval& own : intervals)
      for (int64_t i = own.begin * inner; i < own.end * inner; ++i)
        taken.data[at++] = x.data[o * x.shape[dim] * inner + i];
  return taken;
}

NamedTensors RandomParameters(const Program& program, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(0, 0.3);
  NamedTensors parameters;
  for (const Parameter& parameter : program.parameters) {
    Tensor tensor = Zeros(parameter.shape);
    for (double& number : tensor.data) number = normal(random);
    parameters[parameter.name] = std::move(tensor);
  }
  return parameters;
}

std::vector<Tensor> RandomInputs(const Program& program, int64_t vocabulary,
                                 uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Tensor> inputs;
  for (ValueId id : program.inputs) {
    Tensor tensor = Zeros(program.values[id].shape);
    for (double& number : tensor.data) {
      number = static_cast<double>(random() % vocabulary);
      if (!inputs.empty() && random() % 8 == 0) number = -100;
    }
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

absl::StatusOr<std::vector<RankResult>> RunPrograms(
    const std::vector<Program>& programs, const NamedTensors& parameters,
    const std::vector<Tensor>& inputs) {
  std::vector<Rank> ranks(programs.size());
  for (size_t r = 0; r < ranks.size(); ++r) {
    const Program& program = programs[r];
    AUTOTP_RETURN_IF_ERROR(
        Annotate(CheckProgram(program), absl::StrCat("rank ", r)));
    ranks[r].program = &program;
    ranks[r].values.resize(program.values.size());
    ranks[r].gradients.resize(program.values.size());
    ranks[r].losses.resize(program.nodes.size());
    for (size_t i = 0; i < inputs.size(); ++i)
      ranks[r].values[program.inputs[i]] = inputs[i];
    for (const Parameter& parameter : program.parameters) {
      const Tensor& whole = parameters.at(parameter.name);
      ranks[r].values[parameter.value] =
          parameter.cut_dim < 0
              ? whole
              : TakeIntervals(whole, parameter.cut_dim, parameter.intervals);
    }
  }
  Group group(&ranks);
  AUTOTP_RETURN_IF_ERROR(Annotate(group.Forward(), "forward"));
  AUTOTP_RETURN_IF_ERROR(Annotate(group.Backward(), "backward"));
  std::vector<RankResult> results(ranks.size());
  for (size_t r = 0; r < ranks.size(); ++r) {
    results[r].loss = ranks[r].values[programs[r].loss].data[0];
    for (const Parameter& parameter : programs[r].parameters) {
      results[r].gradients[parameter.name] =
          ranks[r].GradientOf(parameter.value);
    }
  }
  return results;
}

absl::StatusOr<NamedTensors> AssembleGradients(
    const std::vector<Program>& ranks, const std::vector<RankResult>& results) {
  NamedTensors whole;
  for (size_t p = 0; p < ranks[0].parameters.size(); ++p) {
    const std::string& name = ranks[0].parameters[p].name;
    Tensor sum = Zeros(ranks[0].parameters[p].shape);
    program::Intervals covered;
    int64_t owned = 0;
    for (size_t r = 0; r < ranks.size(); ++r) {
      const Parameter& parameter = ranks[r].parameters[p];
      const Tensor& mine = results[r].gradients.at(name);
      if (parameter.cut_dim >= 0) {
        Node put;
        put.operation = Operation::kTake;
        put.attributes["dim"] = static_cast<int64_t>(parameter.cut_dim);
        put.attributes["intervals"] = program::Encode(parameter.intervals);
        AddTo(&sum, Backward(put, {&sum}, mine)[0]);
        owned += program::Length(parameter.intervals);
        covered.insert(covered.end(), parameter.intervals.begin(),
                       parameter.intervals.end());
      } else if (parameter.partial_gradient || r == 0) {
        AddTo(&sum, mine);
      } else if (Difference(sum, mine) > 1e-9 * (Largest(sum) + 1e-6)) {
        return absl::InvalidArgumentError(
            absl::StrCat("rank ", r, " has another gradient of ", name,
                         " than rank 0, by ", Difference(sum, mine)));
      }
    }
    const int dim = ranks[0].parameters[p].cut_dim;
    if (dim >= 0) {
      const int64_t length = ranks[0].parameters[p].shape[dim];
      if (owned != length ||
          program::Length(program::Normalize(covered)) != length) {
        return absl::InvalidArgumentError(absl::StrCat(
            name, ": the ranks own ", owned, " of ", length, " positions"));
      }
    }
    whole[name] = std::move(sum);
  }
  return whole;
}

absl::Status CompareWithWhole(const Program& whole,
                              const std::vector<Program>& ranks,
                              const NamedTensors& parameters,
                              const std::vector<Tensor>& inputs,
                              double tolerance) {
  AUTOTP_ASSIGN_OR_RETURN(const std::vector<RankResult> want,
                          RunPrograms({whole}, parameters, inputs));
  AUTOTP_ASSIGN_OR_RETURN(const std::vector<RankResult> got,
                          RunPrograms(ranks, parameters, inputs));
  AUTOTP_ASSIGN_OR_RETURN(const NamedTensors gradients,
                          AssembleGradients(ranks, got));
  for (size_t r = 0; r < got.size(); ++r) {
    const double difference = std::abs(got[r].loss - want[0].loss);
    if (!(difference <= tolerance * std::max(1.0, std::abs(want[0].loss)))) {
      return absl::InvalidArgumentError(absl::StrCat(
          "rank ", r, " has loss ", got[r].loss, ", not ", want[0].loss));
    }
  }
  double scale = 0;
  for (const auto& [name, gradient] : want[0].gradients)
    scale = std::max(scale, Largest(gradient));
  for (const auto& [name, gradient] : want[0].gradients) {
    const double difference = Difference(gradient, gradients.at(name));
    if (!(difference <= tolerance * (Largest(gradient) + 1e-4 * scale))) {
      return absl::InvalidArgumentError(
          absl::StrCat("the gradient of ", name, " differs by ", difference,
                       " of ", Largest(gradient)));
    }
  }
  return absl::OkStatus();
}

}  // namespace autotp::testing
