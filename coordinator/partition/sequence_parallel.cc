#include "coordinator/partition/sequence_parallel.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/partition/least_cut.h"
#include "coordinator/partition/reshape_cut.h"
#include "coordinator/program/shape_rules.h"

namespace autotp::partition {

using program::ElementCount;
using program::Operation;
using program::Program;
using program::ValueId;
using program::ValueKind;

namespace {

constexpr int kNone = -1;
// A gradient that is made whole by an all-reduce: each number moves twice.
constexpr int64_t kSumFactor = 2;

Ranks TokensOf(int64_t tokens, int ranks) {
  RankIntervals own(ranks);
  int64_t at = 0;
  const std::vector<int64_t> spread = SpreadUnits(tokens, ranks);
  for (int r = 0; r < ranks; at += spread[r], ++r)
    own[r] = program::Normalize({{at, at + spread[r]}});
  return MakeRanks(std::move(own));
}

// [ValueId]: the dimension that is the input's tokens, or kNone.
std::vector<int> TokenDims(const Program& program, const Axes& axes) {
  const int tokens = axes.axis[axes.DimOf(program.inputs[0], 1)];
  std::vector<int> dims(program.values.size(), kNone);
  for (size_t v = 0; v < program.values.size(); ++v) {
    const int rank = static_cast<int>(program.values[v].shape.size());
    int found = 0;
    for (int d = 0; d < rank; ++d) {
      if (axes.axis[axes.DimOf(static_cast<ValueId>(v), d)] != tokens) continue;
      dims[v] = d;
      ++found;
    }
    if (found != 1) dims[v] = kNone;
  }
  return dims;
}

class TokenCutter {
 public:
  TokenCutter(const Program& program, const Axes& axes, SpmdProgram* spmd)
      : axes_(axes),
        spmd_(*spmd),
        tokens_(
            TokensOf(program.values[program.inputs[0]].shape[1], spmd->ranks)),
        source_dims_(TokenDims(program, axes)),
        producer_(spmd->values.size(), kNone),
        users_(spmd->values.size()),
        constant_(spmd->values.size(), false) {
    for (const SpmdParameter& parameter : spmd_.parameters)
      constant_[parameter.value] = true;
    for (size_t n = 0; n < spmd_.nodes.size(); ++n) {
      const SpmdNode& node = spmd_.nodes[n];
      const bool constant = std::all_of(
          node.inputs.begin(), node.inputs.end(),
          [this](int v) { return v == program::kNoValue || constant_[v]; });
      for (int v : node.inputs)
        if (v >= 0) users_[v].push_back(static_cast<int>(n));
      for (int v : node.outputs) {
        producer_[v] = static_cast<int>(n);
        constant_[v] = constant;
      }
    }
  }

  void Run() {
    ChooseNodes();
    std::vector<SpmdNode> nodes;
    nodes.reserve(spmd_.nodes.size());
    gathered_.assign(spmd_.values.size(), kNone);
    taken_.assign(spmd_.values.size(), kNone);
    for (size_t n = 0; n < spmd_.nodes.size(); ++n) {
      SpmdNode node = std::move(spmd_.nodes[n]);
      for (int& v : node.inputs) {
        if (v < 0) continue;
        v = by_tokens_[n] ? Tokens(v, node.scope, &nodes)
                          : Whole(v, node.scope, &nodes);
      }
      if (by_tokens_[n]) {
        if (node.operation == Operation::kAllReduce) {
          node.operation = Operation::kReduceScatter;
          node.attributes["dim"] =
              static_cast<int64_t>(TokenDim(node.outputs[0]));
        }
        for (int v : node.outputs) CutByTokens(&spmd_.values[v]);
      }
      nodes.push_back(std::move(node));
    }
    if (spmd_.loss >= 0) spmd_.loss = Whole(spmd_.loss, "the loss", &nodes);
    spmd_.nodes = std::move(nodes);
  }

 private:
  int TokenDim(int v) const { return source_dims_[spmd_.values[v].source]; }
  bool IsWhole(int v) const {
    return v < 0 || spmd_.values[v].spread == Spread::kWhole;
  }
  // A sum over the ranks, which may end by tokens at half the cost.
  bool IsSum(int n) const {
    return spmd_.nodes[n].operation == Operation::kAllReduce &&
           TokenDim(spmd_.nodes[n].outputs[0]) >= 0;
  }
  bool ContinuesASum(const SpmdNode& node) const;
  bool CanBeByTokens(const SpmdNode& node) const;
  bool AlignsTokens(const SpmdNode& add) const;

  int64_t Numbers(int v) const { return ElementCount(spmd_.values[v].shape); }

  void ChooseNodes();
  void PriceGathers(LeastCut* cut);
  void PriceTakes(LeastCut* cut);
  void PriceSharedParameters(LeastCut* cut);

  void CutByTokens(SpmdValue* value) const {
    value->spread = Spread::kCut;
    value->dim = source_dims_[value->source];
    value->ranks = tokens_;
  }
  int Convert(int v, Operation operation, const std::string& scope,
              std::vector<SpmdNode>* nodes);
  int Whole(int v, const std::string& scope, std::vector<SpmdNode>* nodes);
  int Tokens(int v, const std::string& scope, std::vector<SpmdNode>* nodes);

  const Axes& axes_;
  SpmdProgram& spmd_;
  const Ranks tokens_;
  const std::vector<int> source_dims_;   // [ValueId]
  std::vector<int> producer_;            // [value]: node; kNone
  std::vector<std::vector<int>> users_;  // [value]: nodes
  std::vector<bool> constant_;           // [value]: follows from parameters
  std::vector<int> place_;        // [node]: in the graph of the choice; kNone
  std::vector<int> whole_place_;  // [value]: the same, of "needed whole"
  std::vector<bool> by_tokens_;   // [node]
  std::vector<int> gathered_;     // [value]: its whole form, made from its cut
  std::vector<int> taken_;        // [value]: its cut form, made from its whole
};

// Of an addition that no program's node stands for: a term of a sum.
bool TokenCutter::AlignsTokens(const SpmdNode& add) const {
  const SpmdValue& out = spmd_.values[add.outputs[0]];
  const size_t behind = out.shape.size() - TokenDim(add.outputs[0]);
  return std::all_of(add.inputs.begin(), add.inputs.end(), [&](int v) {
    const std::vector<int64_t>& shape = spmd_.values[v].shape;
    const bool has_tokens =
        shape.size() >= behind && shape[shape.size() - behind] != 1;
    const int dim = static_cast<int>(shape.size() - behind);
    return TokenDim(v) == (has_tokens ? dim : kNone);
  });
}

// Does the operation compute each token from that token alone?
bool TokenCutter::CanBeByTokens(const SpmdNode& node) const {
  if (!std::all_of(node.inputs.begin(), node.inputs.end(),
                   [this](int v) { return IsWhole(v); }) ||
      !std::all_of(node.outputs.begin(), node.outputs.end(),
                   [this](int v) { return IsWhole(v) && TokenDim(v) >= 0; }))
    return false;
  const int out = TokenDim(node.outputs[0]);
  if (node.operation == Operation::kReshape) {
    const int in = TokenDim(node.inputs[0]);
    if (in < 0) return false;
    const std::optional<DimCut> moved =
        MoveThroughReshape(spmd_.values[node.inputs[0]].shape,
                           spmd_.values[node.outputs[0]].shape, {in, tokens_});
    return moved.has_value() && moved->dim == out &&
           SameRanks(moved->ranks, tokens_);
  }
  if (node.source < 0)
    return node.operation == Operation::kAdd && AlignsTokens(node);
  const PlacementRule& rule = axes_.rules[node.source];
  const int label = rule.output[out].label;
  if (label == kNoLabel || rule.Blocked(label) || rule.Summed(label))
    return false;
  bool any = false;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] < 0) continue;
    const int tokens = TokenDim(node.inputs[i]);
    any = any || tokens >= 0;
    for (size_t d = 0; d < rule.inputs[i].size(); ++d) {
      const bool labelled = rule.inputs[i][d].label == label;
      if (labelled != (static_cast<int>(d) == tokens)) return false;
    }
  }
  return any;
}

// The residual stream is cut whatever it costs: to send as many numbers and
// keep fewer is what was asked for. It is what adds to a sum, at once or after
// a norm of it.
bool TokenCutter::ContinuesASum(const SpmdNode& node) const {
  const auto is_sum = [this](int v) {
    return v >= 0 && producer_[v] >= 0 && IsSum(producer_[v]);
  };
  const auto adds = [this](int n) {
    return spmd_.nodes[n].operation == Operation::kAdd;
  };
  if (std::none_of(node.inputs.begin(), node.inputs.end(), is_sum))
    return false;
  const std::vector<int>& users = users_[node.outputs[0]];
  return node.operation == Operation::kAdd ||
         std::any_of(users.begin(), users.end(), adds);
}

// A value that is made by tokens and needed whole is gathered, once.
void TokenCutter::PriceGathers(LeastCut* cut) {
  for (size_t v = 0; v < producer_.size(); ++v) {
    if (producer_[v] < 0 || place_[producer_[v]] == kNone) continue;
    whole_place_[v] = cut->AddNode();
    const bool index = spmd_.values[v].kind == ValueKind::kIndex;
    cut->AddArc(place_[producer_[v]], whole_place_[v],
                index ? LeastCut::kNever : Numbers(static_cast<int>(v)));
    for (int user : users_[v]) {
      const int to = place_[user];
      cut->AddArc(whole_place_[v], to == kNone ? LeastCut::kSink : to,
                  LeastCut::kNever);
    }
  }
}

// A value that is made whole and used by tokens: its gradient is summed, once.
void TokenCutter::PriceTakes(LeastCut* cut) {
  for (size_t v = 0; v < producer_.size(); ++v) {
    const SpmdValue& value = spmd_.values[v];
    if (!value.needs_gradient || constant_[v] || producer_[v] < 0 ||
        value.spread != Spread::kWhole || IsSum(producer_[v]))
      continue;
    const int from = place_[producer_[v]];
    const int taken = cut->AddNode();
    cut->AddArc(taken, from == kNone ? LeastCut::kSink : from,
                kSumFactor * Numbers(static_cast<int>(v)));
    for (int user : users_[v])
      if (place_[user] != kNone)
        cut->AddArc(place_[user], taken, LeastCut::kNever);
  }
}

// The gradients of a parameter that is used both by tokens and whole (a tied
// head) don't add up before those by tokens are summed.
void TokenCutter::PriceSharedParameters(LeastCut* cut) {
  for (const SpmdParameter& parameter : spmd_.parameters) {
    const int v = parameter.value;
    if (!spmd_.values[v].needs_gradient || !IsWhole(v)) continue;
    for (int one : users_[v]) {
      for (int other : users_[v]) {
        if (place_[one] == kNone || place_[other] == kNone) continue;
        cut->AddArc(place_[one], place_[other], kSumFactor * Numbers(v));
      }
    }
  }
}

void TokenCutter::ChooseNodes() {
  LeastCut cut;
  place_.assign(spmd_.nodes.size(), kNone);
  whole_place_.assign(spmd_.values.size(), kNone);
  for (size_t n = 0; n < spmd_.nodes.size(); ++n) {
    const SpmdNode& node = spmd_.nodes[n];
    if (IsSum(static_cast<int>(n))) {
      place_[n] = LeastCut::kSource;
    } else if (CanBeByTokens(node)) {
      place_[n] = cut.AddNode();
      if (ContinuesASum(node))
        cut.AddArc(LeastCut::kSource, place_[n], LeastCut::kNever);
    }
  }
  PriceGathers(&cut);
  PriceTakes(&cut);
  PriceSharedParameters(&cut);
  const std::vector<bool> chosen = cut.SourceSide();
  by_tokens_.assign(spmd_.nodes.size(), false);
  for (size_t n = 0; n < spmd_.nodes.size(); ++n)
    by_tokens_[n] = place_[n] != kNone && chosen[place_[n]];
  // A sum that is only needed whole stays one.
  for (size_t n = 0; n < spmd_.nodes.size(); ++n) {
    if (!IsSum(static_cast<int>(n))) continue;
    const int v = spmd_.nodes[n].outputs[0];
    by_tokens_[n] = chosen[whole_place_[v]] ||
                    std::any_of(users_[v].begin(), users_[v].end(),
                                [this](int user) { return by_tokens_[user]; });
  }
}

int TokenCutter::Convert(int v, Operation operation, const std::string& scope,
                         std::vector<SpmdNode>* nodes) {
  const bool to_whole = operation == Operation::kAllGather;
  SpmdValue value = spmd_.values[v];
  absl::StrAppend(&value.name, to_whole ? ".all" : ".own");
  if (to_whole) {
    value.spread = Spread::kWhole;
    value.dim = kNone;
    value.ranks = nullptr;
  } else {
    CutByTokens(&value);
  }
  SpmdNode node;
  node.operation = operation;
  node.inputs = {v};
  node.outputs = {static_cast<int>(spmd_.values.size())};
  node.attributes["dim"] = static_cast<int64_t>(source_dims_[value.source]);
  node.scope = scope;
  spmd_.values.push_back(std::move(value));
  nodes->push_back(std::move(node));
  return nodes->back().outputs[0];
}

int TokenCutter::Whole(int v, const std::string& scope,
                       std::vector<SpmdNode>* nodes) {
  if (producer_[v] < 0 || !by_tokens_[producer_[v]]) return v;
  if (gathered_[v] < 0)
    gathered_[v] = Convert(v, Operation::kAllGather, scope, nodes);
  return gathered_[v];
}

int TokenCutter::Tokens(int v, const std::string& scope,
                        std::vector<SpmdNode>* nodes) {
  if (!IsWhole(v) || TokenDim(v) < 0) return v;
  if (taken_[v] < 0) taken_[v] = Convert(v, Operation::kTake, scope, nodes);
  return taken_[v];
}

}  // namespace

void CutTokens(const Program& program, const Axes& axes, SpmdProgram* spmd) {
  // Without input_ids[B,T] there are no tokens to cut.
  if (program.inputs.empty() ||
      program.values[program.inputs[0]].shape.size() != 2)
    return;
  TokenCutter(program, axes, spmd).Run();
}

}  // namespace autotp::partition
