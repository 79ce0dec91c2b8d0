// Goal: a model that was imported is the program that its own family writes,
// and ranks compute of it what one computes.
// Method: the program files of tests/golden/imported, which autotp-import
// wrote, are loaded beside the models of tests/golden/models; both programs
// are compared node by node, from the loss backwards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "coordinator/model/model.h"
#include "coordinator/partition/partition.h"
#include "coordinator/program/shape_rules.h"
#include "tests/support/imported_folder.h"
#include "tests/support/program_interpreter.h"
#include "tests/support/temp_dir.h"

namespace autotp::partition {
namespace {

using program::Node;
using program::Operation;
using program::Program;
using program::ValueId;

constexpr int64_t kBatch = 2;
constexpr int64_t kTokens = 32;  // beyond the windows
constexpr int64_t kVocabulary = 256;
constexpr double kTolerance = 1e-9;

// Numbers as the names of values: the same name is the same computation.
class Names {
 public:
  int Of(const std::string& text) {
    return ids_.try_emplace(text, static_cast<int>(ids_.size())).first->second;
  }

 private:
  std::map<std::string, int> ids_;
};

struct AttributeText {
  std::string operator()(int64_t value) const { return absl::StrCat(value); }
  std::string operator()(bool value) const { return value ? "yes" : "no"; }
  std::string operator()(const std::string& value) const { return value; }
  // Transformers keeps frequencies in fp32.
  std::string operator()(double value) const {
    return absl::StrFormat("%.5g", value);
  }
  std::string operator()(const std::vector<int64_t>& value) const {
    return absl::StrJoin(value, ",");
  }
  std::string operator()(const std::vector<double>& value) const {
    std::string text;
    for (double number : value) absl::StrAppend(&text, (*this)(number), ",");
    return text;
  }
};

struct Structure {
  int loss = 0;
  std::vector<std::pair<int, std::string>> nodes;  // name, what it does
};

Structure StructureOf(const Program& program, Names* names) {
  Structure structure;
  std::vector<int> of(program.values.size(), -1);
  const auto shape = [&](ValueId v) {
    return program::ShapeText(program.values[v].shape);
  };
  for (ValueId v : program.inputs)
    of[v] = names->Of(absl::StrCat("input ", program.values[v].name));
  for (const program::Parameter& p : program.parameters) {
    of[p.value] =
        names->Of(absl::StrCat("parameter ", p.name, " ", shape(p.value)));
  }
  for (const Node& node : program.nodes) {
    std::vector<int> inputs;
    for (ValueId v : node.inputs) inputs.push_back(v < 0 ? -1 : of[v]);
    if (node.operation == Operation::kAdd)
      std::sort(inputs.begin(), inputs.end());
    std::string text = NodeName(node);
    for (const auto& [key, value] : node.attributes)
      absl::StrAppend(&text, " ", key, "=", std::visit(AttributeText{}, value));
    absl::StrAppend(&text, " (", absl::StrJoin(inputs, ","), ")");
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const ValueId v = node.outputs[i];
      of[v] = names->Of(absl::StrCat(text, " #", i, " ", shape(v)));
      structure.nodes.emplace_back(of[v],
                                   absl::StrCat(text, " in ", node.scope));
    }
  }
  structure.loss = of[program.loss];
  return structure;
}

// The first computation of `one` that `other` does not have.
std::string FirstDifference(const Structure& one, const Structure& other) {
  std::set<int> known;
  for (const auto& [name, text] : other.nodes) known.insert(name);
  for (const auto& [name, text] : one.nodes)
    if (!known.contains(name)) return text;
  return "";
}

model::LoadedModel Load(const std::string& path) {
  absl::StatusOr<model::LoadedModel> loaded =
      model::LoadModel({.path = path,
                        .micro_batch = kBatch,
                        .sequence_length = kTokens,
                        .need_weights = false});
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return loaded.ok() ? *std::move(loaded) : model::LoadedModel{};
}

class ImportedTest : public ::testing::TestWithParam<std::string> {
 protected:
  Program Imported() {
    return Load(testing::MakeImportedFolder(folder_.path(), GetParam()))
        .program;
  }
  Program Native() {
    return Load(testing::SourcePath(
                    absl::StrCat("tests/golden/models/", GetParam(), "/model")))
        .program;
  }
  testing::TempDir folder_;
};

TEST_P(ImportedTest, IsMadeOfTheOperationsOfItsFamily) {
  const Program imported = Imported();
  const Program native = Native();
  ASSERT_NE(imported.loss, program::kNoValue);
  std::set<std::string> own;
  std::set<std::string> other;
  for (const program::Parameter& p : imported.parameters)
    own.insert(p.name + program::ShapeText(p.shape));
  for (const program::Parameter& p : native.parameters)
    other.insert(p.name + program::ShapeText(p.shape));
  EXPECT_EQ(own, other);
  for (const Node& node : imported.nodes)
    EXPECT_NE(node.operation, Operation::kAten) << node.aten;
}

// A bidirectional model with padding: attention sees the keys that a mask of
// the data names, and every label is its own position's.
TEST(ImportedEncoderTest, IsMadeOfOurOperations) {
  const absl::StatusOr<model::LoadedModel> loaded =
      model::LoadModel({.path = testing::SourcePath(
                            "tests/golden/imported/masked_language_model"),
                        .micro_batch = 4,
                        .sequence_length = 12,
                        .need_weights = false});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  int attentions = 0;
  int losses = 0;
  for (const Node& node : loaded->program.nodes) {
    if (node.operation == Operation::kAttention) {
      ++attentions;
      EXPECT_FALSE(program::FlagOf(node, "causal", true));
      ASSERT_EQ(node.inputs.size(), 6u);
      EXPECT_NE(node.inputs[5], program::kNoValue);
    }
    if (node.operation == Operation::kCrossEntropy) {
      ++losses;
      EXPECT_FALSE(program::FlagOf(node, "shift", true));
    }
    // attention_mask != 0
    if (node.operation == Operation::kAten) {
      EXPECT_EQ(node.aten, "aten.ne.Scalar");
    }
  }
  EXPECT_EQ(attentions, 2);
  EXPECT_EQ(losses, 1);
}

class SameProgramTest : public ImportedTest {};

TEST_P(SameProgramTest, IsTheProgramOfItsFamily) {
  const Program imported = Imported();
  const Program native = Native();
  ASSERT_NE(imported.loss, program::kNoValue);
  Names names;
  const Structure one = StructureOf(imported, &names);
  const Structure other = StructureOf(native, &names);
  EXPECT_EQ(one.loss, other.loss)
      << "imported only: " << FirstDifference(one, other)
      << "\nnative only: " << FirstDifference(other, one);
  std::vector<std::string> order;
  std::map<std::string, std::vector<std::string>> aliases;
  for (const program::Parameter& p : imported.parameters) {
    order.push_back(p.name);
    aliases[p.name] = p.aliases;
  }
  std::vector<std::string> native_order;
  for (const program::Parameter& p : native.parameters) {
    native_order.push_back(p.name);
    // Names of modules that files call otherwise are known to imports alone.
    EXPECT_THAT(aliases[p.name], ::testing::IsSupersetOf(p.aliases));
  }
  // opt_post looks positions up before it projects; of the others, linears of
  // one input stand together.
  const std::set<std::string> elsewhere = {"opt_post", "deepseek_v3",
                                           "qwen2_moe"};
  if (elsewhere.contains(GetParam())) {
    std::sort(order.begin(), order.end());
    std::sort(native_order.begin(), native_order.end());
  }
  EXPECT_EQ(order, native_order);
}

TEST_P(ImportedTest, RanksComputeWhatOneDoes) {
  const Program program = Imported();
  ASSERT_NE(program.loss, program::kNoValue);
  for (int ranks : {2, 3}) {
    SCOPED_TRACE(ranks);
    const absl::StatusOr<Partitioned> result =
        Partition(program, {.tensor_parallel_size = ranks});
    ASSERT_TRUE(result.ok()) << result.status();
    const absl::Status status = testing::CompareWithWhole(
        program, result->locals, testing::RandomParameters(program, 7),
        testing::RandomInputs(program, kVocabulary, 8), kTolerance);
    EXPECT_TRUE(status.ok()) << status;
  }
}

// gpt2 of one layer, its attention one operation or written out.
class DropoutTest : public ::testing::TestWithParam<std::string> {};

TEST_P(DropoutTest, DrawsTheMasksOfItsFamily) {
  const testing::TempDir folder;
  nlohmann::json config = nlohmann::json::parse(testing::ReadFileOrEmpty(
      testing::SourcePath("tests/golden/models/gpt2/model/config.json")));
  config["n_layer"] = 1;
  config["attn_pdrop"] = 0.1;
  config["resid_pdrop"] = 0.2;
  config["embd_pdrop"] = 0.3;
  std::ofstream(folder / "config.json") << config;
  const Program native = Load(folder.path()).program;
  std::filesystem::copy(
      testing::SourcePath(
          absl::StrCat("tests/golden/imported/dropout/", GetParam(), ".json")),
      folder / "autotp_program.json");
  const Program imported = Load(folder.path()).program;
  ASSERT_NE(imported.loss, program::kNoValue);
  Names names;
  const Structure one = StructureOf(imported, &names);
  const Structure other = StructureOf(native, &names);
  EXPECT_EQ(one.loss, other.loss)
      << "imported only: " << FirstDifference(one, other)
      << "\nnative only: " << FirstDifference(other, one);
  std::string text;
  for (const auto& [name, node] : one.nodes) text += node + "\n";
  EXPECT_NE(text.find("dropout=0.1"), std::string::npos) << text;
  EXPECT_NE(text.find("probability=0.3 stream=0"), std::string::npos) << text;
}

INSTANTIATE_TEST_SUITE_P(Golden, DropoutTest,
                         ::testing::Values("sdpa", "eager"),
                         [](const auto& tested) { return tested.param; });
INSTANTIATE_TEST_SUITE_P(Golden, SameProgramTest,
                         ::testing::ValuesIn(testing::ImportedModels()),
                         [](const auto& tested) { return tested.param; });
INSTANTIATE_TEST_SUITE_P(Golden, ImportedTest,
                         ::testing::ValuesIn(testing::ImportedModels()),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace autotp::partition
