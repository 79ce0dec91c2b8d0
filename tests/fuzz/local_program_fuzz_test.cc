// Goal: whoever reaches a worker's socket may send any program: it is refused
// with words, or it runs and ends.
// Method: real local programs, ours and imported ones, of one rank and of two.
// To some of them nodes are added that the contract allows and no model has:
// random operations with random attributes, whose outputs are stated rightly.
// Then a few edits, node by node, and the rank is run against an echo of its
// group.
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "coordinator/model/model.h"
#include "coordinator/partition/partition.h"
#include "coordinator/program/program.h"
#include "coordinator/program/shape_rules.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/program_edits.h"
#include "tests/fuzz/run_program.h"
#include "tests/support/echo_group.h"
#include "tests/support/golden.h"

namespace autotp::testing {
namespace {

using program::Node;
using program::Operation;
using program::Program;
using program::ValueId;
using program::ValueKind;

constexpr int kGroup = 2;

struct Base {
  Program program;
  int ranks = 1;  // of its group
  int rank = 0;
};

void AddBases(const std::string& folder, const partition::PartitionOptions& how,
              std::vector<Base>& bases) {
  const auto model = model::LoadModel({.path = GoldenPath(folder),
                                       .micro_batch = 4,
                                       .sequence_length = 12,
                                       .need_weights = false});
  ASSERT_TRUE(model.ok()) << model.status();
  auto cut = partition::Partition(model->program, how);
  ASSERT_TRUE(cut.ok()) << cut.status();
  for (int rank = 0; rank < how.tensor_parallel_size; ++rank) {
    bases.push_back(
        {std::move(cut->locals[rank]), how.tensor_parallel_size, rank});
  }
}

const std::vector<Base>& Bases() {
  static const auto* const bases = [] {
    auto* made = new std::vector<Base>();
    for (const char* folder : {"models/llama/model", "models/gpt2/model"})
      AddBases(folder, {}, *made);
    partition::PartitionOptions pair{.tensor_parallel_size = kGroup};
    for (const char* folder :
         {"models/bloom/model", "models/cohere_qk/model", "models/gemma2/model",
          "models/deepseek_v3/model", "models/mixtral_balance/model",
          "imported/linear_stack", "imported/classifier",
          "imported/masked_language_model"})
      AddBases(folder, pair, *made);
    pair.sequence_parallel = true;
    pair.recomputation = v1::RECOMPUTATION_BLOCK;
    for (const char* folder : {"models/llama/model", "models/mixtral/model"})
      AddBases(folder, pair, *made);
    return made;
  }();
  return *bases;
}

// Every operation of the contract, and a few of ATen.
const std::vector<std::string>& Operations() {
  static const auto* const operations = [] {
    auto* names = new std::vector<std::string>{
        "aten.mul.Tensor", "aten.sum.default", "aten.mm.default",
        "aten.index_select.default", "aten.view.default"};
    for (int i = 0; i <= static_cast<int>(Operation::kTake); ++i) {
      const auto operation = static_cast<Operation>(i);
      if (operation != Operation::kAten)
        names->emplace_back(program::OperationName(operation));
    }
    return names;
  }();
  return *operations;
}

// A size that fits something: of a value, or small.
int64_t AnySize(const Program& program, Random& random) {
  const program::Value& value = AnyOf(program.values, random);
  if (value.shape.empty() || random() % 2 == 0)
    return static_cast<int64_t>(random() % 5);
  return AnyOf(value.shape, random);
}

std::vector<int64_t> AnyIntervals(const Program& program, int ranks,
                                  Random& random) {
  std::vector<int64_t> numbers;
  int64_t end = 0;
  for (int rank = 0; rank < ranks; ++rank) {
    if (ranks > 1) numbers.push_back(1);
    numbers.push_back(end);
    numbers.push_back(end += AnySize(program, random));
  }
  return numbers;
}

// Everything that some operation takes; what this one does not is dropped.
program::Attributes AnyAttributes(const Program& program, Random& random) {
  const auto numbers = [&] {
    std::vector<double> list(1 + random() % 3);
    for (double& number : list) number = AnyNumber(random);
    return list;
  };
  const int64_t dim = static_cast<int64_t>(random() % 4);
  const int64_t begin = AnySize(program, random);
  return {
      {"a", dim},
      {"b", static_cast<int64_t>(random() % 4)},
      {"begin", begin},
      {"causal", random() % 2 == 0},
      {"count", int64_t{1}},
      {"dim", dim},
      {"dropout", random() % 2 == 0 ? 0.0 : 0.5},
      {"end", begin + AnySize(program, random)},
      {"eps", AnyNumber(random)},
      {"factor", AnyNumber(random)},
      {"groups", int64_t{1} + static_cast<int64_t>(random() % 2)},
      {"interleaved", random() % 2 == 0},
      {"intervals",
       AnyIntervals(program, 1 + static_cast<int>(random() % 2), random)},
      {"inv_freq", numbers()},
      {"kind",
       AnyOf(std::vector<std::string>{"silu", "gelu", "gelu_tanh", "relu",
                                      "sigmoid", "soft_cap", "clamp"},
             random)},
      {"length", AnySize(program, random)},
      {"limit", 2.0},
      {"normalize", random() % 2 == 0},
      {"offset", AnyNumber(random)},
      {"probability", 0.5},
      {"rank", static_cast<int64_t>(random() % 2)},
      {"scale", AnyNumber(random)},
      {"shift", random() % 2 == 0},
      {"scores", std::string(random() % 2 == 0 ? "softmax" : "sigmoid")},
      {"size", AnySize(program, random)},
      {"slopes", numbers()},
      {"soft_cap", random() % 2 == 0 ? 0.0 : 3.0},
      {"stream", static_cast<int64_t>(random() % 9)},
      {"summed", random() % 2 == 0},
      {"top_groups", int64_t{1}},
      {"top_k", int64_t{1} + static_cast<int64_t>(random() % 3)},
      {"transposed", random() % 2 == 0},
      {"window", static_cast<int64_t>(random() % 5)},
  };
}

// An operation that fits values made so far, if one is found.
bool AddNode(Program& program, std::vector<ValueId>& made, Random& random) {
  for (int attempt = 0; attempt < 60; ++attempt) {
    Node node;
    node.operation = static_cast<Operation>(
        random() % (static_cast<uint64_t>(Operation::kTake) + 1));
    if (node.operation == Operation::kAten) continue;
    for (uint64_t inputs = random() % 7; inputs > 0; --inputs) {
      // The same one again fits more often.
      node.inputs.push_back(node.inputs.empty() || random() % 2 == 0
                                ? AnyOf(made, random)
                                : node.inputs.back());
    }
    node.attributes = AnyAttributes(program, random);
    if (node.operation == Operation::kReshape) {
      node.attributes["shape"] = std::vector<int64_t>{AnySize(program, random),
                                                      AnySize(program, random)};
    }
    auto outputs = InferOutputs(program, node);
    // Attributes that it does not take are named one by one.
    while (!outputs.ok()) {
      const std::string message(outputs.status().message());
      const size_t quote = message.find('\'');
      if (message.rfind("attribute '", 0) != 0 ||
          message.find("is unknown") == std::string::npos)
        break;
      node.attributes.erase(
          message.substr(quote + 1, message.find('\'', quote + 1) - quote - 1));
      outputs = InferOutputs(program, node);
    }
    if (!outputs.ok()) continue;
    for (program::Value& value : *outputs) {
      node.outputs.push_back(static_cast<ValueId>(program.values.size()));
      made.push_back(node.outputs.back());
      program.values.push_back(std::move(value));
    }
    program.nodes.push_back(std::move(node));
    return true;
  }
  return false;
}

// The loss and the sum of everything that was added.
void AddToLoss(Program& program, size_t first_node) {
  const auto add = [&program](const std::string& name,
                              std::vector<ValueId> inputs) {
    Node node;
    node.operation = Operation::kAten;
    node.aten = name;
    node.attributes["tensors"] = std::vector<int64_t>(inputs.size(), 1);
    node.inputs = std::move(inputs);
    const auto output = static_cast<ValueId>(program.values.size());
    node.outputs = {output};
    program.values.push_back({"", {}, ValueKind::kFloat32});
    program.nodes.push_back(std::move(node));
    return output;
  };
  const size_t last_node = program.nodes.size();
  for (size_t n = first_node; n < last_node; ++n) {
    const std::vector<ValueId> outputs = program.nodes[n].outputs;
    for (const ValueId id : outputs) {
      const ValueKind kind = program.values[id].kind;
      if (kind == ValueKind::kIndex || kind == ValueKind::kBool) continue;
      program.loss =
          add("aten.add.Tensor", {program.loss, add("aten.sum.default", {id})});
    }
  }
}

v1::Program Make(const Base& base, Random& random) {
  Program program = base.program;
  if (random() % 2 == 0) {
    std::vector<ValueId> made = program.inputs;
    for (const program::Parameter& parameter : program.parameters)
      made.push_back(parameter.value);
    for (const Node& node : program.nodes)
      made.insert(made.end(), node.outputs.begin(), node.outputs.end());
    const size_t first = program.nodes.size();
    for (uint64_t nodes = 1 + random() % 4; nodes > 0; --nodes)
      AddNode(program, made, random);
    AddToLoss(program, first);
  }
  v1::Program message = ToProto(program);
  if (random() % 3 != 0) {
    for (uint64_t edits = 1 + random() % 3; edits > 0; --edits)
      EditProgram(Operations(), message, random);
  }
  return message;
}

TEST(LocalProgramFuzzTest, ProgramsOfAnybodyAreRefusedOrEnd) {
  const std::vector<Base>& bases = Bases();
  ASSERT_FALSE(HasFailure());
  FuzzOptions options;
  options.rounds = 1500;
  // The first line says which base it was.
  options.make = [&bases](Random& random) {
    const size_t index = random() % bases.size();
    std::string text;
    google::protobuf::TextFormat::PrintToString(Make(bases[index], random),
                                                &text);
    return absl::StrCat("# ", index, "\n", text);
  };
  int compiled = 0;
  int ran = 0;
  Fuzz(options, [&](const std::string& text) {
    const Base& base = bases[std::stoul(text.substr(2))];
    v1::Program program;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &program));
    EchoGroup group(base.rank, base.ranks);
    const RunOutcome outcome =
        CompileAndRun(program, base.ranks > 1 ? &group : nullptr);
    compiled += outcome.compiled;
    ran += outcome.ran;
  });
  RecordProperty("compiled", compiled);
  RecordProperty("ran", ran);
  EXPECT_GT(compiled, 300);
  EXPECT_GT(ran, 200);
}

}  // namespace
}  // namespace autotp::testing
