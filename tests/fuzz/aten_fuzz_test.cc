// Programs that somebody else wrote, out of anything: each is refused with
// words, or runs and ends; nothing that is not on the list is ever called.
//
// An input is one program as text. Half of them are a well-formed program with
// a few edits; the others hold a random allowed operator with random arguments
// and state the outputs that it says it will make, as somebody would who means
// harm.
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/jit_type.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/program_edits.h"
#include "tests/fuzz/run_program.h"
#include "tests/support/program_maker.h"
#include "worker/runtime/operations/aten_allowed.h"
#include "worker/runtime/operations/aten_call.h"

namespace autotp::testing {
namespace {

// Something of the argument's type.
void SetFor(const c10::Argument& argument, v1::Attribute& attribute,
            Random& random) {
  c10::TypePtr type = argument.type();
  if (const auto optional = type->cast<c10::OptionalType>())
    type = optional->getElementType();
  if (absl::StrContains(argument.real_type()->str(), "ScalarType"))
    return attribute.set_text(AnyText(random));
  switch (type->kind()) {
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType:
      return attribute.set_integer(AnyInteger(random));
    case c10::TypeKind::FloatType:
      return attribute.set_number(AnyNumber(random));
    case c10::TypeKind::BoolType:
      return attribute.set_flag(random() % 2 == 0);
    case c10::TypeKind::StringType:
      return attribute.set_text(AnyText(random));
    case c10::TypeKind::NumberType:
      if (random() % 2 == 0) return attribute.set_number(AnyNumber(random));
      return attribute.set_integer(AnyInteger(random));
    default:
      for (uint64_t i = random() % 4; i > 0; --i)
        attribute.mutable_integers()->add_values(AnyInteger(random));
  }
}

bool HoldsTensors(const c10::Argument& argument) {
  return absl::StrContains(argument.type()->str(), "Tensor");
}

c10::OperatorHandle HandleOf(absl::string_view name) {
  const size_t dot = name.rfind('.');
  const absl::string_view overload = name.substr(dot + 1);
  return *c10::Dispatcher::singleton().findSchema(
      {absl::StrCat("aten::", name.substr(0, dot)),
       overload == "default" ? "" : std::string(overload)});
}

// Parameters, an index input and a mask of small shapes, for nodes to read.
ProgramMaker Values(Random& random) {
  ProgramMaker m;
  static const auto* const shapes = new std::vector<Shape>{
      {2, 3}, {3, 2}, {2, 2}, {3}, {}, {1, 2, 3, 4}, {2, 3, 3}, {0, 2}, {4, 4}};
  for (int i = 0; i < 4; ++i)
    m.Parameter(absl::StrCat("p", i), AnyOf(*shapes, random), i == 3);
  const int ids = m.Input("ids", AnyOf(*shapes, random));
  const v1::Value value = m.program.values(ids);
  m.Node("aten.gt.Scalar", {ids},
         {{value.shape().begin(), value.shape().end()}}, v1::Value::KIND_BOOL)
      .Set("other", 0);
  return m;
}

// States what the operator says about its outputs on the meta device.
void StateOutputs(ProgramMaker& m, v1::Node& node) {
  std::vector<at::Tensor> outputs;
  const auto call = runtime::AtenCall::Bind(node);
  if (!call.ok()) return;
  try {
    std::vector<at::Tensor> inputs;
    for (const int id : node.inputs()) {
      if (id < 0) {
        inputs.emplace_back();
        continue;
      }
      const v1::Value& value = m.program.values(id);
      inputs.push_back(
          at::empty(Shape(value.shape().begin(), value.shape().end()),
                    at::device(at::kMeta).dtype(
                        value.kind() == v1::Value::KIND_BOOL    ? at::kBool
                        : value.kind() == v1::Value::KIND_INDEX ? at::kLong
                                                                : at::kFloat)));
    }
    // A list as long as a hostile size would fill the memory here already.
    if (!call->ReturnsList()) outputs = call->Run(inputs);
  } catch (const std::exception&) {
  }
  if (outputs.empty() && node.inputs_size() > 0 && node.inputs(0) >= 0) {
    const v1::Value value = m.program.values(node.inputs(0));
    node.add_outputs(
        m.Value({value.shape().begin(), value.shape().end()}, value.kind()));
  }
  for (const at::Tensor& output : outputs) {
    node.add_outputs(m.Value(output.sizes().vec(),
                             output.scalar_type() == at::kBool
                                 ? v1::Value::KIND_BOOL
                             : c10::isIntegralType(output.scalar_type(), false)
                                 ? v1::Value::KIND_INDEX
                                 : v1::Value::KIND_FLOAT));
  }
}

void AddRandomNode(ProgramMaker& m, Random& random) {
  const auto allowed = runtime::AllowedAtenOperators();
  const absl::string_view name = allowed[random() % allowed.size()];
  const c10::OperatorHandle handle = HandleOf(name);
  v1::Node node;
  node.set_operation(absl::StrCat("aten.", name));
  const int values = m.program.values_size();
  v1::Attribute counts;
  counts.set_name("tensors");
  for (const c10::Argument& argument : handle.schema().arguments()) {
    if (HoldsTensors(argument)) {
      const bool is_list = absl::StrContains(argument.type()->str(), "[]");
      const uint64_t count = is_list ? random() % 3 : 1;
      const bool absent =
          absl::StrContains(argument.type()->str(), "?") && random() % 2 == 0;
      for (uint64_t i = 0; i < count; ++i)
        node.add_inputs(absent ? -1 : static_cast<int>(random() % values));
      counts.mutable_integers()->add_values(static_cast<int64_t>(count));
      continue;
    }
    if (argument.default_value().has_value() && random() % 2 == 0) continue;
    const std::string real = argument.real_type()->str();
    if (absl::StrContains(real, "Layout") ||
        absl::StrContains(real, "Device") ||
        absl::StrContains(real, "MemoryFormat") ||
        absl::StrContains(real, "Generator") || argument.name() == "pin_memory")
      continue;
    v1::Attribute& attribute = *node.add_attributes();
    attribute.set_name(argument.name());
    SetFor(argument, attribute, random);
  }
  *node.add_attributes() = counts;
  StateOutputs(m, node);
  *m.program.add_nodes() = node;
}

// The sum of every float that a node made.
void AddLoss(ProgramMaker& m) {
  int sum = -1;
  const int nodes = m.program.nodes_size();
  for (int i = 0; i < nodes; ++i) {
    const v1::Node node = m.program.nodes(i);
    for (const int id : node.outputs()) {
      if (m.program.values(id).kind() != v1::Value::KIND_FLOAT) continue;
      const int one = m.Node("aten.sum.default", {id}, {{}}).output();
      sum =
          sum < 0 ? one : m.Node("aten.add.Tensor", {sum, one}, {{}}).output();
    }
  }
  if (sum < 0) {
    sum = m.Node("aten.sum.default", {m.program.parameters(0).value()}, {{}})
              .output();
  }
  m.Loss(sum);
}

const std::vector<std::string>& Operations() {
  static const auto* const operations = [] {
    auto* names = new std::vector<std::string>();
    for (const absl::string_view name : runtime::AllowedAtenOperators())
      names->push_back(absl::StrCat("aten.", name));
    return names;
  }();
  return *operations;
}

std::string Make(Random& random) {
  ProgramMaker m = Values(random);
  for (uint64_t nodes = 1 + random() % 2; nodes > 0; --nodes)
    AddRandomNode(m, random);
  AddLoss(m);
  if (random() % 2 == 0) {
    for (uint64_t edits = 1 + random() % 3; edits > 0; --edits)
      EditProgram(Operations(), m.program, random);
  }
  std::string text;
  google::protobuf::TextFormat::PrintToString(m.program, &text);
  return text;
}

TEST(AtenFuzzTest, HostileProgramsAreRefusedOrEnd) {
  FuzzOptions options;
  options.rounds = 3000;
  options.make = Make;
  int compiled = 0;
  int ran = 0;
  Fuzz(options, [&](const std::string& text) {
    v1::Program program;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &program));
    const RunOutcome outcome = CompileAndRun(program);
    compiled += outcome.compiled;
    ran += outcome.ran;
  });
  RecordProperty("compiled", compiled);
  RecordProperty("ran", ran);
  EXPECT_GT(compiled, 100);
  EXPECT_GT(ran, 50);
}

}  // namespace
}  // namespace autotp::testing
