#include "coordinator/partition/lower.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/program/interval.h"

namespace autotp::partition {

using program::kNoValue;
using program::Node;
using program::Operation;
using program::Parameter;
using program::Program;
using program::Value;
using program::ValueId;

namespace {

class Lowering {
 public:
  Lowering(const Program& whole, const SpmdProgram& spmd, int rank)
      : whole_(whole),
        spmd_(spmd),
        rank_(rank),
        ids_(spmd.values.size(), kNoValue) {}

  Program Run() && {
    local_.name = whole_.name;
    local_.values.reserve(spmd_.values.size());
    local_.nodes.reserve(spmd_.nodes.size());
    for (int input : spmd_.inputs) local_.inputs.push_back(Declare(input));
    for (const SpmdParameter& parameter : spmd_.parameters)
      AddParameter(parameter);
    for (const SpmdNode& node : spmd_.nodes) {
      if (node.picks.empty())
        AddNode(node);
      else
        AddPicks(node);
    }
    if (spmd_.loss >= 0) local_.loss = ids_[spmd_.loss];
    return std::move(local_);
  }

 private:
  std::vector<int64_t> LocalShape(const SpmdValue& value) const {
    std::vector<int64_t> shape = value.shape;
    if (value.spread == Spread::kCut)
      shape[value.dim] = value.LocalLength(rank_);
    return shape;
  }

  ValueId Add(Value value) {
    local_.values.push_back(std::move(value));
    return static_cast<ValueId>(local_.values.size()) - 1;
  }

  ValueId Declare(int v) {
    const SpmdValue& value = spmd_.values[v];
    ids_[v] = Add({value.name, LocalShape(value), value.kind});
    return ids_[v];
  }

  void AddParameter(const SpmdParameter& parameter) {
    Parameter local = whole_.parameters[parameter.source];
    const SpmdValue& value = spmd_.values[parameter.value];
    local.value = Declare(parameter.value);
    local.partial_gradient = parameter.partial_gradient;
    if (value.spread == Spread::kCut) {
      local.cut_dim = value.dim;
      local.intervals = (*value.ranks)[rank_];
    }
    local_.parameters.push_back(std::move(local));
  }

  // Which numbers are dropped depends on where they lie in the whole value.
  void PlaceDropout(const SpmdValue& out,
                    program::Attributes* attributes) const {
    (*attributes)["size"] = out.shape[out.dim];
    (*attributes)["intervals"] = program::Encode((*out.ranks)[rank_]);
  }

  void FillIn(const SpmdNode& node, program::Attributes* attributes) const {
    const SpmdValue& out = spmd_.values[node.outputs[0]];
    switch (node.operation) {
      case Operation::kExpand:
        (*attributes)["size"] =
            LocalShape(out)[std::get<int64_t>(attributes->find("dim")->second)];
        return;
      case Operation::kReshape:
        (*attributes)["shape"] = LocalShape(out);
        return;
      case Operation::kTake:
        (*attributes)["size"] = out.shape[out.dim];
        (*attributes)["intervals"] = program::Encode((*out.ranks)[rank_]);
        return;
      case Operation::kAllGather: {
        const SpmdValue& in = spmd_.values[node.inputs[0]];
        (*attributes)["size"] = in.shape[in.dim];
        (*attributes)["intervals"] = program::EncodeRanks(*in.ranks);
        return;
      }
      case Operation::kReduceScatter:
        (*attributes)["size"] = out.shape[out.dim];
        (*attributes)["intervals"] = program::EncodeRanks(*out.ranks);
        (*attributes)["rank"] = static_cast<int64_t>(rank_);
        return;
      case Operation::kDropout:
        if (out.spread == Spread::kCut) {
          (*attributes)["dim"] = static_cast<int64_t>(out.dim);
          PlaceDropout(out, attributes);
        }
        return;
      case Operation::kAttention:
        if (out.spread == Spread::kCut &&
            attributes->find("dropout") != attributes->end())
          PlaceDropout(out, attributes);
        return;
      default:
        break;
    }
    if (node.range.empty()) return;
    const bool slice = node.operation == Operation::kSlice;
    (*attributes)[slice ? "begin" : "row_begin"] = node.range[rank_].begin;
    (*attributes)[slice ? "end" : "row_end"] = node.range[rank_].end;
  }

  void AddNode(const SpmdNode& node) {
    Node local;
    local.operation = node.operation;
    local.attributes = node.attributes;
    local.scope = node.scope;
    for (int v : node.inputs)
      local.inputs.push_back(v < 0 ? kNoValue : ids_[v]);
    for (int v : node.outputs) local.outputs.push_back(Declare(v));
    FillIn(node, &local.attributes);
    local_.nodes.push_back(std::move(local));
  }

  void AddPicks(const SpmdNode& node) {
    const std::vector<int64_t>& picks = node.picks[rank_];
    const int out = node.outputs[0];
    const ValueId in = ids_[node.inputs[0]];
    if (picks.empty()) {
      ids_[out] = in;
      return;
    }
    const SpmdValue& value = spmd_.values[out];
    Node join;
    join.operation = Operation::kConcat;
    join.attributes = node.attributes;
    join.scope = node.scope;
    for (size_t i = 0; i < picks.size(); ++i) {
      Value part{absl::StrCat(value.name, ".", i), value.shape, value.kind};
      part.shape[value.dim] = 1;
      Node slice;
      slice.operation = Operation::kSlice;
      slice.inputs = {in};
      slice.outputs = {Add(std::move(part))};
      slice.attributes = {{"dim", static_cast<int64_t>(value.dim)},
                          {"begin", picks[i]},
                          {"end", picks[i] + 1}};
      slice.scope = node.scope;
      join.inputs.push_back(slice.outputs[0]);
      local_.nodes.push_back(std::move(slice));
    }
    join.outputs = {Declare(out)};
    local_.nodes.push_back(std::move(join));
  }

  const Program& whole_;
  const SpmdProgram& spmd_;
  const int rank_;
  std::vector<ValueId> ids_;  // [spmd value]
  Program local_;
};

}  // namespace

Program LowerForRank(const Program& program, const SpmdProgram& spmd,
                     int rank) {
  return Lowering(program, spmd, rank).Run();
}

}  // namespace autotp::partition
