#include "coordinator/partition/spread_values.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/check.h"

namespace autotp::partition {

using program::Intervals;
using program::Node;
using program::Operation;
using program::Program;
using program::ValueId;
using program::ValueKind;

namespace {

bool IsNumber(ValueKind kind) {
  return kind == ValueKind::kFloat || kind == ValueKind::kFloat32;
}

}  // namespace

SpreadValues::SpreadValues(const Program& program, int ranks,
                           const std::vector<DimCut>& parameter_cuts)
    : program_(program),
      states_(program.values.size()),
      is_parameter_(program.values.size(), false),
      producers_(program.values.size(), nullptr) {
  for (const Node& node : program.nodes)
    for (ValueId output : node.outputs) producers_[output] = &node;
  spmd_.ranks = ranks;
  for (ValueId input : program.inputs) {
    spmd_.values.push_back(Like(input));
    spmd_.inputs.push_back(static_cast<int>(spmd_.values.size()) - 1);
    SetWhole(input, spmd_.inputs.back());
  }
  for (size_t p = 0; p < program.parameters.size(); ++p) {
    const ValueId v = program.parameters[p].value;
    SpmdValue value = Like(v);
    value.needs_gradient = !program.parameters[p].frozen;
    if (parameter_cuts[p].dim >= 0) {
      value.spread = Spread::kCut;
      value.dim = parameter_cuts[p].dim;
      value.ranks = parameter_cuts[p].ranks;
    }
    is_parameter_[v] = true;
    states_[v].value = static_cast<int>(spmd_.values.size());
    spmd_.parameters.push_back({static_cast<int>(p), states_[v].value, false});
    spmd_.values.push_back(std::move(value));
  }
}

bool SpreadValues::IsWhole(ValueId v) const {
  const int value = states_[v].value;
  return value >= 0 && spmd_.values[value].spread == Spread::kWhole;
}

bool SpreadValues::IsCut(ValueId v) const {
  const int value = states_[v].value;
  return value >= 0 && spmd_.values[value].spread == Spread::kCut;
}

bool SpreadValues::IsPending(ValueId v) const {
  return states_[v].value < 0 && states_[v].partial >= 0;
}

DimCut SpreadValues::CutOf(ValueId v) const {
  const SpmdValue& value = spmd_.values[states_[v].value];
  AUTOTP_CHECK(value.spread == Spread::kCut);
  return {value.dim, value.ranks};
}

SpmdValue SpreadValues::Like(ValueId v, absl::string_view suffix) const {
  SpmdValue value;
  value.name = absl::StrCat(program_.values[v].name, suffix);
  value.source = v;
  value.kind = program_.values[v].kind;
  value.shape = program_.values[v].shape;
  return value;
}

int SpreadValues::Emit(SpmdNode node, SpmdValue value) {
  for (int input : node.inputs)
    if (input >= 0 && spmd_.values[input].needs_gradient)
      value.needs_gradient = IsNumber(value.kind);
  const int id = static_cast<int>(spmd_.values.size());
  node.outputs = {id};
  spmd_.values.push_back(std::move(value));
  spmd_.nodes.push_back(std::move(node));
  return id;
}

void SpreadValues::EmitAll(SpmdNode node, const std::vector<ValueId>& outputs,
                           const DimCut& cut) {
  bool needs_gradient = false;
  for (int input : node.inputs) {
    needs_gradient =
        needs_gradient || (input >= 0 && spmd_.values[input].needs_gradient);
  }
  for (ValueId v : outputs) {
    SpmdValue value = Like(v);
    value.needs_gradient = needs_gradient && IsNumber(value.kind);
    if (cut.dim >= 0) {
      value.spread = Spread::kCut;
      value.dim = cut.dim;
      value.ranks = cut.ranks;
    }
    states_[v].value = static_cast<int>(spmd_.values.size());
    node.outputs.push_back(states_[v].value);
    spmd_.values.push_back(std::move(value));
  }
  spmd_.nodes.push_back(std::move(node));
}

void SpreadValues::SetWhole(ValueId v, int value) { states_[v].value = value; }

void SpreadValues::SetPending(ValueId v, int partial, std::vector<int> terms,
                              const std::string& scope) {
  states_[v].partial = partial;
  states_[v].terms = std::move(terms);
  states_[v].scope = scope;
}

int SpreadValues::Sum(ValueId v) {
  State& state = states_[v];
  SpmdNode reduce;
  reduce.operation = Operation::kAllReduce;
  reduce.inputs = {state.partial};
  reduce.scope = state.scope;
  reduce.reason = "the ranks' partial sums make one value";
  int sum = Emit(std::move(reduce), Like(v, state.terms.empty() ? "" : ".sum"));
  for (size_t i = 0; i < state.terms.size(); ++i) {
    SpmdNode add;
    add.operation = Operation::kAdd;
    add.inputs = {sum, state.terms[i]};
    add.scope = state.scope;
    sum = Emit(std::move(add),
               Like(v, i + 1 == state.terms.size() ? "" : ".sum"));
  }
  state.value = sum;
  return sum;
}

const program::Parameter* SpreadValues::CutBehind(ValueId v) const {
  std::vector<ValueId> open{v};
  std::vector<bool> seen(program_.values.size(), false);
  for (size_t i = 0; i < open.size(); ++i) {
    for (const program::Parameter& parameter : program_.parameters) {
      if (parameter.value == open[i] && IsCut(open[i])) return &parameter;
    }
    if (producers_[open[i]] == nullptr) continue;
    // Weights first: they are nearer than what flows in.
    const std::vector<ValueId>& inputs = producers_[open[i]]->inputs;
    for (bool parameters : {true, false}) {
      for (ValueId input : inputs) {
        if (input == program::kNoValue || seen[input] ||
            is_parameter_[input] != parameters)
          continue;
        seen[input] = true;
        open.push_back(input);
      }
    }
  }
  return nullptr;
}

bool SpreadValues::CouldBeRow(const Node& node) const {
  if (node.operation != Operation::kLinear) return false;
  const ValueId x = node.inputs[0];
  const ValueId weight = node.inputs[1];
  const int output = FlagOf(node, "transposed", false) ? 1 : 0;
  return is_parameter_[weight] && IsCut(weight) &&
         CutOf(weight).dim == output && IsCut(x) &&
         CutOf(x).dim == static_cast<int>(program_.values[x].shape.size()) - 1;
}

std::string SpreadValues::AdviceFor(const program::Parameter& cut,
                                    const Node& node) const {
  // The linear whose weight had better be cut by row: its input comes cut.
  const Node* linear = nullptr;
  if (CouldBeRow(node)) {
    linear = &node;
  } else {
    for (const Node& user : program_.nodes) {
      if (user.operation == Operation::kLinear && user.inputs[1] == cut.value &&
          CouldBeRow(user))
        linear = &user;
    }
  }
  std::string advice =
      absl::StrCat("leave ", cut.name, " whole to avoid the gather");
  if (linear == nullptr) return advice;
  for (const program::Parameter& parameter : program_.parameters) {
    if (parameter.value == linear->inputs[1])
      return absl::StrCat("cut ", parameter.name, " by row, or ", advice);
  }
  return advice;
}

std::string SpreadValues::GatherReason(ValueId v, const Node& node) const {
  const std::string place = absl::StrCat(NodeName(node), " in ", node.scope);
  const program::Parameter* weight = CutBehind(v);
  if (weight == nullptr) return absl::StrCat(place, " needs its input whole");
  if (is_parameter_[v]) {
    return absl::StrCat(place, " can't use ", weight->name,
                        " cut along dimension ", CutOf(v).dim,
                        "; cut another dimension of it, or leave it whole");
  }
  return absl::StrCat(place, " needs the result of ", weight->name,
                      " whole or cut otherwise; ", AdviceFor(*weight, node));
}

int SpreadValues::Gather(ValueId v, const Node& node) {
  State& state = states_[v];
  if (state.whole >= 0) return state.whole;
  SpmdNode gather;
  gather.operation = Operation::kAllGather;
  gather.inputs = {state.value};
  gather.scope = node.scope;
  const DimCut cut = CutOf(v);
  gather.attributes["dim"] = static_cast<int64_t>(cut.dim);
  gather.reason = GatherReason(v, node);
  state.whole = Emit(std::move(gather), Like(v, ".whole"));
  return state.whole;
}

int SpreadValues::Whole(ValueId v, const Node& node) {
  if (IsPending(v)) return Sum(v);
  if (IsCut(v)) return Gather(v, node);
  AUTOTP_CHECK(states_[v].value >= 0, "%", v, " is used before it is made");
  return states_[v].value;
}

int SpreadValues::Take(ValueId v, int whole, const DimCut& cut,
                       absl::string_view scope) {
  for (const Slice& slice : states_[v].slices) {
    if (slice.cut.dim == cut.dim && SameRanks(slice.cut.ranks, cut.ranks))
      return slice.value;
  }
  SpmdNode take;
  take.operation = Operation::kTake;
  take.inputs = {whole};
  take.attributes["dim"] = static_cast<int64_t>(cut.dim);
  take.scope = std::string(scope);
  SpmdValue value = Like(v, ".part");
  value.spread = Spread::kCut;
  value.dim = cut.dim;
  value.ranks = cut.ranks;
  const int taken = Emit(std::move(take), std::move(value));
  states_[v].slices.push_back({cut, taken});
  return taken;
}

int SpreadValues::Cut(ValueId v, const DimCut& cut, const Node& node) {
  if (IsCut(v)) {
    const DimCut own = CutOf(v);
    if (own.dim == cut.dim && SameRanks(own.ranks, cut.ranks))
      return states_[v].value;
  }
  return Take(v, Whole(v, node), cut, node.scope);
}

int SpreadValues::KeyHeads(ValueId v, int dim, int64_t repeat,
                           const RankIntervals& query_heads, const Node& node) {
  RankIntervals needed;
  std::vector<std::vector<int64_t>> picks;
  std::vector<int64_t> lengths;
  bool regular = true;
  for (const Intervals& heads : query_heads) {
    std::vector<int64_t> serves;  // by position among the needed: its heads
    Intervals own;
    std::vector<int64_t> pick;
    for (const program::Interval& interval : heads) {
      for (int64_t h = interval.begin; h < interval.end; ++h) {
        const int64_t key = h / repeat;
        if (own.empty() || own.back().end != key + 1) {
          own.push_back({key, key + 1});
          serves.push_back(0);
        }
        ++serves.back();
        pick.push_back(static_cast<int64_t>(serves.size()) - 1);
      }
    }
    const bool even = std::adjacent_find(serves.begin(), serves.end(),
                                         std::not_equal_to<>()) == serves.end();
    lengths.push_back(static_cast<int64_t>(even ? serves.size() : pick.size()));
    if (even) pick.clear();
    regular = regular && even;
    picks.push_back(std::move(pick));
    needed.push_back(program::Normalize(std::move(own)));
  }
  const Intervals all{{0, program_.values[v].shape[dim]}};
  const int whole = Whole(v, node);
  if (regular && std::all_of(needed.begin(), needed.end(),
                             [&](const Intervals& own) { return own == all; }))
    return whole;
  const DimCut cut{dim, MakeRanks(std::move(needed))};
  const int taken = Take(v, whole, cut, node.scope);
  if (regular) return taken;
  SpmdNode pick;
  pick.operation = Operation::kConcat;
  pick.inputs = {taken};
  pick.attributes["dim"] = static_cast<int64_t>(dim);
  pick.scope = node.scope;
  pick.picks = std::move(picks);
  SpmdValue value = Like(v, ".heads");
  value.spread = Spread::kCut;
  value.dim = dim;
  value.ranks = cut.ranks;
  value.lengths = std::move(lengths);
  return Emit(std::move(pick), std::move(value));
}

SpmdProgram SpreadValues::Finish(ValueId loss) && {
  if (loss != program::kNoValue) {
    Node output;
    output.scope = "the loss";
    spmd_.loss = Whole(loss, output);
  }
  return std::move(spmd_);
}

}  // namespace autotp::partition
