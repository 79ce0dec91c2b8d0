#include "coordinator/partition/propagate.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "coordinator/partition/aten_rules.h"
#include "coordinator/partition/label_choice.h"
#include "coordinator/partition/spread_values.h"
#include "proto/support/check.h"

namespace autotp::partition {

using program::kNoValue;
using program::Node;
using program::Operation;
using program::Program;
using program::ValueId;

namespace {

std::vector<DimCut> ParameterCuts(const Choice& choice) {
  std::vector<DimCut> cuts;
  for (const ParameterDecision& decision : choice.parameters)
    cuts.push_back(decision.cut);
  return cuts;
}

class Propagator {
 public:
  Propagator(const Program& program, const Axes& axes, const Choice& choice,
             int ranks)
      : program_(program),
        axes_(axes),
        choice_(choice),
        ranks_(ranks),
        values_(program, ranks, ParameterCuts(choice)) {}

  SpmdProgram Run() && {
    for (size_t n = 0; n < program_.nodes.size(); ++n)
      Place(program_.nodes[n], axes_.rules[n]);
    return std::move(values_).Finish(program_.loss);
  }

 private:
  void Place(const Node& node, const PlacementRule& rule);
  bool PlacePending(const Node& node);
  bool PlaceReshape(const Node& node);
  bool PlaceSlice(const Node& node);
  bool PlaceConcat(const Node& node);
  bool PlaceEmbedding(const Node& node);
  bool PlaceCrossEntropy(const Node& node);
  void PlaceWhole(const Node& node);
  void PlaceAlong(const Node& node, const PlacementRule& rule,
                  const LabelCut& cut);

  bool CanRunAlong(const PlacementRule& rule, const LabelCut& cut) const;
  int InputAlong(const Node& node, const std::vector<DimLabel>& labels,
                 ValueId input, const LabelCut& cut);

  bool AnyPending(const Node& node) const {
    return std::any_of(
        node.inputs.begin(), node.inputs.end(),
        [this](ValueId v) { return v != kNoValue && values_.IsPending(v); });
  }
  SpmdNode Copy(const Node& node) const {
    SpmdNode copy;
    copy.operation = node.operation;
    copy.source = static_cast<int>(&node - program_.nodes.data());
    copy.attributes = node.attributes;
    copy.scope = node.scope;
    copy.aten = node.aten;
    return copy;
  }
  void EmitCut(SpmdNode node, ValueId out, const DimCut& cut) {
    values_.EmitAll(std::move(node), {out}, cut);
  }
  int EmitPartial(SpmdNode node, ValueId out) {
    SpmdValue value = values_.Like(out, ".partial");
    value.spread = Spread::kPartial;
    return values_.Emit(std::move(node), std::move(value));
  }

  // Identical layers reshape identical cuts: each is followed once.
  const std::optional<DimCut>& Moved(const std::vector<int64_t>& from,
                                     const std::vector<int64_t>& to,
                                     const DimCut& cut) {
    const auto [entry, is_new] =
        moved_.try_emplace(ReshapeKey(from, to, cut.dim, cut.ranks));
    if (is_new) entry->second = MoveThroughReshape(from, to, cut);
    return entry->second;
  }

  // The last is compared by identity: equal cuts share one list of intervals.
  using ReshapeKey =
      std::tuple<std::vector<int64_t>, std::vector<int64_t>, int, Ranks>;

  const Program& program_;
  const Axes& axes_;
  const Choice& choice_;
  const int ranks_;
  SpreadValues values_;
  std::map<ReshapeKey, std::optional<DimCut>> moved_;
};

void Propagator::Place(const Node& node, const PlacementRule& rule) {
  if (node.outputs.size() != 1 && node.operation != Operation::kAten)
    return PlaceWhole(node);
  if (AnyPending(node) && PlacePending(node)) return;
  switch (node.operation) {
    case Operation::kReshape:
      if (!PlaceReshape(node)) PlaceWhole(node);
      return;
    case Operation::kSlice:
      if (PlaceSlice(node)) return;
      break;
    case Operation::kConcat:
      if (PlaceConcat(node)) return;
      break;
    case Operation::kEmbedding:
      if (PlaceEmbedding(node)) return;
      break;
    case Operation::kCrossEntropy:
      if (!PlaceCrossEntropy(node)) PlaceWhole(node);
      return;
    default:
      break;
  }
  std::optional<LabelCut> cut = CheapestLabel(program_, values_, node, rule);
  if (!cut.has_value())
    cut = PlannedLabel(values_, node, rule, choice_.values[node.outputs[0]]);
  if (cut.has_value() && CanRunAlong(rule, *cut))
    PlaceAlong(node, rule, *cut);
  else
    PlaceWhole(node);
}

bool Propagator::CanRunAlong(const PlacementRule& rule,
                             const LabelCut& cut) const {
  return !rule.Needed(cut.label) ||
         std::none_of(cut.ranks->begin(), cut.ranks->end(),
                      [](const program::Intervals& own) {
                        return program::Length(own) == 0;
                      });
}

// Additions and linear operations on sums that are not all-reduced yet.
bool Propagator::PlacePending(const Node& node) {
  const ValueId out = node.outputs[0];
  const ValueId a = node.inputs[0];
  if (node.operation == Operation::kAdd) {
    const ValueId b = node.inputs[1];
    const std::vector<int64_t>& shape = program_.values[out].shape;
    const auto fits = [&](ValueId v) {
      return values_.IsWhole(v) ||
             (values_.IsPending(v) && program_.values[v].shape == shape &&
              program_.values[v].kind == program_.values[out].kind);
    };
    if (!fits(a) || !fits(b)) return false;
    std::vector<int> terms;
    std::vector<int> partials;
    for (ValueId v : {a, b}) {
      if (values_.IsWhole(v)) {
        terms.push_back(values_.Whole(v, node));
        continue;
      }
      partials.push_back(values_.PartialOf(v));
      const std::vector<int>& more = values_.TermsOf(v);
      terms.insert(terms.end(), more.begin(), more.end());
    }
    int partial = partials[0];
    if (partials.size() == 2) {
      SpmdNode add = Copy(node);
      add.inputs = partials;
      partial = EmitPartial(std::move(add), out);
    }
    values_.SetPending(out, partial, std::move(terms), node.scope);
    return true;
  }
  if (a == kNoValue || !values_.IsPending(a) || !values_.TermsOf(a).empty())
    return false;
  const bool by_whole =
      node.operation == Operation::kMul && values_.IsWhole(node.inputs[1]);
  if (!by_whole && node.operation != Operation::kScale &&
      node.operation != Operation::kDropout &&
      node.operation != Operation::kReshape &&
      node.operation != Operation::kTranspose)
    return false;
  SpmdNode same = Copy(node);
  same.inputs = {values_.PartialOf(a)};
  if (by_whole) same.inputs.push_back(values_.Whole(node.inputs[1], node));
  values_.SetPending(out, EmitPartial(std::move(same), out), {}, node.scope);
  return true;
}

bool Propagator::PlaceReshape(const Node& node) {
  const ValueId in = node.inputs[0];
  const ValueId out = node.outputs[0];
  if (!values_.IsCut(in)) return false;
  const std::optional<DimCut>& moved = Moved(
      program_.values[in].shape, program_.values[out].shape, values_.CutOf(in));
  if (!moved.has_value()) return false;
  SpmdNode reshape = Copy(node);
  reshape.inputs = {values_.CutValue(in)};
  EmitCut(std::move(reshape), out, *moved);
  return true;
}

// A slice of the cut dimension: each rank keeps what it has of it.
bool Propagator::PlaceSlice(const Node& node) {
  const ValueId in = node.inputs[0];
  const int64_t dim = IntegerOf(node, "dim");
  if (!values_.IsCut(in) || values_.CutOf(in).dim != dim) return false;
  const int64_t begin = IntegerOf(node, "begin");
  const int64_t end = IntegerOf(node, "end");
  SpmdNode slice = Copy(node);
  slice.inputs = {values_.CutValue(in)};
  RankIntervals kept;
  for (const program::Intervals& own : *values_.CutOf(in).ranks) {
    const int64_t skipped = program::Length(Window(own, 0, begin));
    kept.push_back(Window(own, begin, end));
    slice.range.push_back({skipped, skipped + program::Length(kept.back())});
  }
  EmitCut(std::move(slice), node.outputs[0],
          {static_cast<int>(dim), MakeRanks(std::move(kept))});
  return true;
}

// Pieces that are cut along the joined dimension stay so.
bool Propagator::PlaceConcat(const Node& node) {
  const int dim = static_cast<int>(IntegerOf(node, "dim"));
  bool any = false;
  for (ValueId input : node.inputs)
    any = any || (values_.IsCut(input) && values_.CutOf(input).dim == dim);
  if (!any) return false;
  std::vector<DimCut> cuts;
  for (ValueId input : node.inputs) {
    const DimCut cut =
        values_.IsCut(input) ? values_.CutOf(input) : choice_.values[input];
    if (cut.dim != dim) return false;
    cuts.push_back(cut);
  }
  SpmdNode concat = Copy(node);
  RankIntervals joined(ranks_);
  int64_t begin = 0;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    concat.inputs.push_back(values_.Cut(node.inputs[i], cuts[i], node));
    for (int r = 0; r < ranks_; ++r) {
      const program::Intervals moved = Shift((*cuts[i].ranks)[r], begin);
      joined[r].insert(joined[r].end(), moved.begin(), moved.end());
    }
    begin += program_.values[node.inputs[i]].shape[dim];
  }
  for (program::Intervals& own : joined)
    own = program::Normalize(std::move(own));
  EmitCut(std::move(concat), node.outputs[0],
          {dim, MakeRanks(std::move(joined))});
  return true;
}

std::vector<program::Interval> Rows(const RankIntervals& ranks) {
  std::vector<program::Interval> rows;
  for (const program::Intervals& own : ranks)
    rows.push_back(own.empty() ? program::Interval{} : own[0]);
  return rows;
}

// Each rank looks up the rows that it owns: a partial sum.
bool Propagator::PlaceEmbedding(const Node& node) {
  const ValueId weight = node.inputs[0];
  if (!values_.IsCut(weight)) return false;
  const DimCut cut = values_.CutOf(weight);
  if (cut.dim != 0 || !OneIntervalEach(*cut.ranks)) return false;
  SpmdNode look_up = Copy(node);
  look_up.inputs = {values_.CutValue(weight),
                    values_.Whole(node.inputs[1], node)};
  look_up.range = Rows(*cut.ranks);
  const ValueId out = node.outputs[0];
  values_.SetPending(out, EmitPartial(std::move(look_up), out), {}, node.scope);
  return true;
}

bool Propagator::PlaceCrossEntropy(const Node& node) {
  const ValueId logits = node.inputs[0];
  if (!values_.IsCut(logits)) return false;
  const DimCut cut = values_.CutOf(logits);
  if (cut.dim != 2 || !OneIntervalEach(*cut.ranks)) return false;
  SpmdNode loss = Copy(node);
  loss.inputs = {values_.CutValue(logits), values_.Whole(node.inputs[1], node)};
  loss.range = Rows(*cut.ranks);
  loss.reason = "maximum, sum of exponentials and target logit of each token";
  const ValueId out = node.outputs[0];
  values_.SetWhole(out, values_.Emit(std::move(loss), values_.Like(out)));
  return true;
}

void Propagator::PlaceWhole(const Node& node) {
  SpmdNode same = Copy(node);
  for (ValueId input : node.inputs) {
    same.inputs.push_back(input == kNoValue ? kNoValue
                                            : values_.Whole(input, node));
  }
  values_.EmitAll(std::move(same), node.outputs, {});
}

int Propagator::InputAlong(const Node& node,
                           const std::vector<DimLabel>& labels, ValueId input,
                           const LabelCut& cut) {
  for (size_t d = 0; d < labels.size(); ++d) {
    if (labels[d].label != cut.label) continue;
    const int dim = static_cast<int>(d);
    const Ranks ranks = Narrow(cut.ranks, labels[d].repeat);
    if (ranks != nullptr) return values_.Cut(input, {dim, ranks}, node);
    return values_.KeyHeads(input, dim, labels[d].repeat, *cut.ranks, node);
  }
  return values_.Whole(input, node);
}

void Propagator::PlaceAlong(const Node& node, const PlacementRule& rule,
                            const LabelCut& cut) {
  const bool summed = rule.Summed(cut.label);
  const ValueId out = node.outputs[0];
  SpmdNode local = Copy(node);
  std::vector<int> terms;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ValueId input = node.inputs[i];
    if (input == kNoValue)
      local.inputs.push_back(kNoValue);
    else if (summed && static_cast<int>(i) == rule.after_sum)
      terms.push_back(values_.Whole(input, node));
    else
      local.inputs.push_back(InputAlong(node, rule.inputs[i], input, cut));
  }
  if (summed) {
    values_.SetPending(out, EmitPartial(std::move(local), out),
                       std::move(terms), node.scope);
    return;
  }
  // A row's mean is of all its columns.
  if (node.operation == Operation::kRmsNorm &&
      rule.inputs[1][0].label == cut.label) {
    local.attributes["size"] = program_.values[node.inputs[1]].shape[0];
    local.reason = "sum of squares of each row";
  }
  local.groups_are_local = node.operation == Operation::kAten &&
                           cut.label == 1 && IsDepthwise(program_, node);
  for (size_t d = 0; d < rule.output.size(); ++d) {
    if (rule.output[d].label != cut.label) continue;
    return values_.EmitAll(std::move(local), node.outputs,
                           {static_cast<int>(d), cut.ranks});
  }
  AUTOTP_CHECK(false, NodeName(node), " loses its cut label");
}

}  // namespace

SpmdProgram Propagate(const Program& program, const Axes& axes,
                      const Choice& choice, int ranks) {
  return Propagator(program, axes, choice, ranks).Run();
}

}  // namespace autotp::partition
