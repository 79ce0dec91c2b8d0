#include "coordinator/model/exported/rewriter.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/program/shape_rules.h"

namespace autotp::model {

using program::kNoValue;
using program::Node;
using program::Operation;
using program::Program;
using program::Value;
using program::ValueId;
using program::ValueKind;

namespace {

bool IsNumberKind(ValueKind kind) {
  return kind == ValueKind::kFloat || kind == ValueKind::kFloat32;
}

// The module that holds the one of `scope`: "a.b" of "a.b.c".
absl::string_view ParentOf(absl::string_view scope) {
  const size_t dot = scope.rfind('.');
  return dot == absl::string_view::npos ? absl::string_view()
                                        : scope.substr(0, dot);
}

// Is `to` `from` behind leading ones?
bool AddsLeadingOnes(const std::vector<int64_t>& from,
                     const std::vector<int64_t>& to) {
  if (to.size() < from.size()) return false;
  const size_t lead = to.size() - from.size();
  return std::equal(from.begin(), from.end(), to.begin() + lead) &&
         std::all_of(to.begin(), to.begin() + lead,
                     [](int64_t size) { return size == 1; });
}

// The inputs, experts one after the other.
std::vector<ValueId> InOrderOfUse(const Node& node) {
  if (node.operation != Operation::kExperts) return node.inputs;
  const auto count = static_cast<size_t>(IntegerOf(node, "count"));
  const size_t first = node.inputs.size() - 3 * count;
  std::vector<ValueId> inputs(node.inputs.begin(), node.inputs.begin() + first);
  for (size_t i = 0; i < 3 * count; ++i)
    inputs.push_back(node.inputs[first + i % 3 * count + i / 3]);
  return inputs;
}

}  // namespace

Rewriter::Rewriter(const Program& source)
    : source_(source),
      mapped_(source.values.size(), kNoValue),
      uses_(source.values.size(), 0) {
  program_.name = source.name;
  for (const Node& node : source.nodes) {
    for (ValueId input : node.inputs)
      if (input != kNoValue) ++uses_[input];
  }
  for (ValueId input : source.inputs) {
    mapped_[input] = AddValue(source.values[input], -1);
    program_.inputs.push_back(mapped_[input]);
  }
  for (const program::Parameter& parameter : source.parameters) {
    program::Parameter own = parameter;
    own.value = AddValue(source.values[parameter.value], -1);
    is_parameter_[own.value] = true;
    mapped_[parameter.value] = own.value;
    program_.parameters.push_back(std::move(own));
  }
}

ValueId Rewriter::AddValue(Value value, int producer) {
  program_.values.push_back(std::move(value));
  producers_.push_back(producer);
  is_parameter_.push_back(false);
  return static_cast<ValueId>(program_.values.size()) - 1;
}

bool Rewriter::IsNumber(ValueId v) const {
  return IsNumberKind(program_.values[v].kind);
}

const Node* Rewriter::Producer(ValueId v) const {
  if (v == kNoValue || producers_[v] < 0) return nullptr;
  return &program_.nodes[producers_[v]];
}

const Node* Rewriter::Producer(ValueId v, Operation operation) const {
  const Node* node = Producer(v);
  return node != nullptr && node->operation == operation ? node : nullptr;
}

const Node* Rewriter::Producer(ValueId v, absl::string_view aten,
                               size_t inputs) const {
  const Node* node = Producer(v, Operation::kAten);
  const bool fits =
      node != nullptr && node->aten == aten && node->inputs.size() == inputs &&
      node->outputs.size() == 1 &&
      std::count(node->inputs.begin(), node->inputs.end(), kNoValue) == 0;
  return fits ? node : nullptr;
}

std::vector<ValueId> Rewriter::MakeAll(Operation operation,
                                       std::vector<ValueId> inputs,
                                       program::Attributes attributes) {
  std::vector<int>& alike = made_[{operation, inputs}];
  for (int n : alike) {
    if (program_.nodes[n].attributes == attributes)
      return program_.nodes[n].outputs;
  }
  Node node{operation, std::move(inputs), {}, std::move(attributes), scope_};
  absl::StatusOr<std::vector<Value>> outputs =
      program::InferOutputs(program_, node);
  if (!outputs.ok()) return {};
  const int index = static_cast<int>(program_.nodes.size());
  for (Value& output : *outputs) {
    output.name = scope_.empty()
                      ? std::string(OperationName(operation))
                      : absl::StrCat(scope_, ".", OperationName(operation));
    node.outputs.push_back(AddValue(std::move(output), index));
  }
  program_.nodes.push_back(std::move(node));
  alike.push_back(index);
  return program_.nodes.back().outputs;
}

ValueId Rewriter::Make(Operation operation, std::vector<ValueId> inputs,
                       program::Attributes attributes) {
  const std::vector<ValueId> made =
      MakeAll(operation, std::move(inputs), std::move(attributes));
  return made.empty() ? kNoValue : made[0];
}

ValueId Rewriter::MakeAten(absl::string_view name, std::vector<ValueId> inputs,
                           Value output, program::Attributes attributes) {
  Node node{
      Operation::kAten, std::move(inputs), {}, std::move(attributes), scope_};
  node.aten = std::string(name);
  node.attributes.try_emplace("tensors",
                              std::vector<int64_t>(node.inputs.size(), 1));
  output.name = absl::StrCat(scope_, scope_.empty() ? "" : ".", name);
  const ValueId made =
      AddValue(std::move(output), static_cast<int>(program_.nodes.size()));
  node.outputs = {made};
  program_.nodes.push_back(std::move(node));
  return made;
}

void Rewriter::Keep(const Node& node) {
  Node kept = node;
  kept.outputs.clear();
  for (ValueId& input : kept.inputs) input = Mapped(input);
  const int index = static_cast<int>(program_.nodes.size());
  for (ValueId output : node.outputs) {
    Value value = source_.values[output];
    mapped_[output] = AddValue(std::move(value), index);
    kept.outputs.push_back(mapped_[output]);
  }
  program_.nodes.push_back(std::move(kept));
}

ValueId Rewriter::Reshape(ValueId x, std::vector<int64_t> shape) {
  if (const Node* before = Producer(x, Operation::kReshape))
    x = before->inputs[0];
  if (ShapeOf(x) == shape) return x;
  return Make(Operation::kReshape, {x}, {{"shape", std::move(shape)}});
}

ValueId Rewriter::Transpose(ValueId x, int64_t a, int64_t b) {
  if (a == b) return x;
  if (a > b) std::swap(a, b);
  const Node* before = Producer(x, Operation::kTranspose);
  if (before != nullptr && IntegerOf(*before, "a") == a &&
      IntegerOf(*before, "b") == b)
    return before->inputs[0];
  return Make(Operation::kTranspose, {x}, {{"a", a}, {"b", b}});
}

ValueId Rewriter::Slice(ValueId x, int64_t dim, int64_t begin, int64_t end) {
  if (begin == 0 && end == ShapeOf(x)[dim]) return x;
  if (const auto before = SliceBeforeSplit(x, dim, begin, end)) return *before;
  return Make(Operation::kSlice, {x},
              {{"dim", dim}, {"begin", begin}, {"end", end}});
}

// Of [.., N, D] that was [.., N * D].
std::optional<ValueId> Rewriter::SliceBeforeSplit(ValueId x, int64_t dim,
                                                  int64_t begin, int64_t end) {
  const Node* split = Producer(x, Operation::kReshape);
  if (split == nullptr) return std::nullopt;
  const ValueId source = split->inputs[0];
  const std::vector<int64_t> from = ShapeOf(source);
  std::vector<int64_t> to = ShapeOf(x);
  if (from.size() >= to.size() || dim >= static_cast<int64_t>(from.size()))
    return std::nullopt;
  const auto added = static_cast<int64_t>(to.size() - from.size());
  int64_t inner = 1;
  for (int64_t d = dim + 1; d <= dim + added; ++d) inner *= to[d];
  if (from[dim] != to[dim] * inner ||
      !std::equal(from.begin(), from.begin() + dim, to.begin()) ||
      !std::equal(from.begin() + dim + 1, from.end(),
                  to.begin() + dim + 1 + added))
    return std::nullopt;
  to[dim] = end - begin;
  const ValueId piece = Slice(source, dim, begin * inner, end * inner);
  return piece == kNoValue ? piece : Reshape(piece, std::move(to));
}

ValueId Rewriter::Unflattened(ValueId x) {
  const Node* flat = Producer(x, Operation::kReshape);
  if (flat == nullptr || ShapeOf(x).size() != 2) return x;
  const ValueId before = flat->inputs[0];
  std::vector<int64_t> shape = ShapeOf(before);
  int64_t columns = 1;
  do {
    if (shape.empty()) return x;
    columns *= shape.back();
    shape.pop_back();
  } while (columns < ShapeOf(x)[1]);
  if (columns != ShapeOf(x)[1] || shape.size() < 2) return x;
  shape.push_back(columns);
  return Reshape(before, std::move(shape));
}

ValueId Rewriter::WithoutCasts(ValueId v) const {
  for (;;) {
    const Node* cast = Producer(v, "aten._to_copy.default");
    if (cast == nullptr || !IsNumber(v) || !IsNumber(cast->inputs[0])) return v;
    v = cast->inputs[0];
  }
}

ValueId Rewriter::Flattened(ValueId v) const {
  while (const Node* reshape = Producer(v, Operation::kReshape))
    v = reshape->inputs[0];
  return v;
}

ValueId Rewriter::Narrowest(ValueId v) const {
  for (;;) {
    v = WithoutCasts(v);
    if (const Node* expand = Producer(v, Operation::kExpand)) {
      v = expand->inputs[0];
      continue;
    }
    const Node* reshape = Producer(v, Operation::kReshape);
    if (reshape == nullptr ||
        !AddsLeadingOnes(ShapeOf(reshape->inputs[0]), ShapeOf(v)))
      return v;
    v = reshape->inputs[0];
  }
}

void Rewriter::NoteZeroRow(ValueId value, int64_t row) {
  for (program::Parameter& parameter : program_.parameters) {
    if (parameter.value == value) parameter.initialization.zero_row = row;
  }
}

Program Rewriter::Finish(ValueId loss) && {
  std::vector<bool> needed(program_.values.size(), false);
  const ValueId result = Mapped(loss);
  needed[result] = true;
  std::vector<bool> kept(program_.nodes.size(), false);
  for (size_t n = program_.nodes.size(); n-- > 0;) {
    const Node& node = program_.nodes[n];
    for (ValueId output : node.outputs) kept[n] = kept[n] || needed[output];
    if (!kept[n]) continue;
    for (ValueId input : node.inputs)
      if (input != kNoValue) needed[input] = true;
  }
  Program swept;
  swept.name = program_.name;
  std::vector<ValueId> ids(program_.values.size(), kNoValue);
  const auto declare = [&](ValueId v) {
    swept.values.push_back(program_.values[v]);
    ids[v] = static_cast<ValueId>(swept.values.size()) - 1;
    return ids[v];
  };
  for (ValueId input : program_.inputs) swept.inputs.push_back(declare(input));
  std::vector<int> parameter_of(program_.values.size(), -1);
  for (size_t p = 0; p < program_.parameters.size(); ++p)
    parameter_of[program_.parameters[p].value] = static_cast<int>(p);
  std::vector<bool> listed(program_.parameters.size(), false);
  const auto list = [&](int p) {
    if (p < 0 || listed[p]) return;
    listed[p] = true;
    swept.parameters.push_back(program_.parameters[p]);
    swept.parameters.back().value = declare(program_.parameters[p].value);
  };
  const auto emit = [&](size_t n) {
    kept[n] = false;
    Node node = std::move(program_.nodes[n]);
    for (ValueId input : InOrderOfUse(node))
      if (input != kNoValue) list(parameter_of[input]);
    for (ValueId& input : node.inputs) {
      if (input != kNoValue) input = ids[input];
    }
    for (ValueId& output : node.outputs) output = declare(output);
    swept.nodes.push_back(std::move(node));
  };
  // Linears of one module and input stand together, and so do their weights in
  // memory.
  std::map<std::pair<ValueId, std::string>, std::vector<size_t>> linears;
  const auto key = [&](const Node& node) {
    return std::pair(node.inputs[0], std::string(ParentOf(node.scope)));
  };
  for (size_t n = 0; n < program_.nodes.size(); ++n) {
    const Node& node = program_.nodes[n];
    if (!kept[n] || node.operation != Operation::kLinear) continue;
    const bool plain = std::all_of(
        node.inputs.begin() + 1, node.inputs.end(),
        [&](ValueId v) { return v == kNoValue || parameter_of[v] >= 0; });
    if (plain) linears[key(node)].push_back(n);
  }
  for (size_t n = 0; n < program_.nodes.size(); ++n) {
    if (!kept[n]) continue;
    const Node& node = program_.nodes[n];
    const auto group = node.operation == Operation::kLinear
                           ? linears.find(key(node))
                           : linears.end();
    emit(n);
    if (group == linears.end()) continue;
    for (size_t other : group->second)
      if (kept[other]) emit(other);
  }
  // Those that nothing reads: stored and exported all the same, if trained.
  for (size_t p = 0; p < listed.size(); ++p)
    if (!program_.parameters[p].frozen) list(static_cast<int>(p));
  swept.loss = ids[result];
  return swept;
}

}  // namespace autotp::model
