#include "coordinator/model/exported/program_file.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "coordinator/model/exported/program_json.h"
#include "coordinator/model/finding.h"
#include "coordinator/model/huggingface/json_text.h"
#include "proto/support/status_macros.h"

namespace autotp::model {
namespace {

using nlohmann::json;
using program::Initialization;
using program::kMostElements;
using program::Node;
using program::Operation;
using program::Program;
using program::Value;
using program::ValueKind;

constexpr size_t kMostBytes = size_t{256} << 20;
constexpr int kVersion = 1;
constexpr double kDefaultDeviation = 0.02;

class Reader {
 public:
  Reader(std::string path, const json& root, const ProgramSizes& sizes)
      : in_(std::move(path), sizes), root_(root) {}

  absl::StatusOr<ProgramFile> Read() {
    if (!root_.is_object()) return in_.Wrong("", "has to be an object");
    AUTOTP_ASSIGN_OR_RETURN(const std::string format,
                            in_.Text(root_, "format", ""));
    AUTOTP_ASSIGN_OR_RETURN(const int64_t version,
                            in_.Integer(root_, "version", ""));
    if (format != "autotp-program" || version != kVersion) {
      return in_.Wrong(
          "/version",
          absl::StrCat("is of no program file of version ", kVersion),
          "import the model again with this release's autotp-import");
    }
    AUTOTP_RETURN_IF_ERROR(CheckSizes());
    AUTOTP_RETURN_IF_ERROR(ReadFacts());
    AUTOTP_RETURN_IF_ERROR(ReadValues());
    AUTOTP_RETURN_IF_ERROR(ReadInputs());
    AUTOTP_RETURN_IF_ERROR(ReadParameters());
    AUTOTP_RETURN_IF_ERROR(ReadNodes());
    AUTOTP_ASSIGN_OR_RETURN(const int64_t loss, in_.Integer(root_, "loss", ""));
    AUTOTP_ASSIGN_OR_RETURN(file_.program.loss, Id(loss, "/loss"));
    const absl::Status checked = CheckProgram(file_.program);
    if (!checked.ok()) return in_.Wrong("", std::string(checked.message()));
    return std::move(file_);
  }

 private:
  // Is the program for these sizes?
  absl::Status CheckSizes() const {
    AUTOTP_ASSIGN_OR_RETURN(const int64_t batch,
                            in_.Integer(root_, "micro_batch", ""));
    AUTOTP_ASSIGN_OR_RETURN(const json* range,
                            in_.List(root_, "sequence_length", ""));
    if (range->size() != 2)
      return in_.Wrong("/sequence_length", "has to be [shortest, longest]");
    AUTOTP_ASSIGN_OR_RETURN(const int64_t shortest,
                            in_.IntegerOf((*range)[0], "/sequence_length/0"));
    AUTOTP_ASSIGN_OR_RETURN(const int64_t longest,
                            in_.IntegerOf((*range)[1], "/sequence_length/1"));
    const int64_t tokens = in_.sizes().sequence_length;
    if (batch != 0 && batch != in_.sizes().micro_batch) {
      return Misfit("/micro_batch",
                    absl::StrCat("the program is for micro-batches of ", batch,
                                 ", this job has ", in_.sizes().micro_batch));
    }
    if (longest != 0 && (tokens < shortest || tokens > longest)) {
      return Misfit(
          "/sequence_length",
          absl::StrCat("the program is for sequences of ", shortest, " to ",
                       longest, " tokens, this job has ", tokens));
    }
    return absl::OkStatus();
  }
  absl::Status Misfit(const std::string& pointer,
                      const std::string& message) const {
    return ToStatus(
        {.reason = "MODEL_IMPORT_SIZE",
         .file = in_.path(),
         .message = message,
         .suggestion = absl::StrCat("import the model again with --micro-batch "
                                    "or --sequence-length, or change the job"),
         .json_pointer = pointer});
  }

  absl::StatusOr<program::ValueId> Id(int64_t id, const std::string& at) const {
    if (id < 0 || id >= static_cast<int64_t>(file_.program.values.size()))
      return in_.Wrong(at, absl::StrCat(id, " is no value"));
    return static_cast<program::ValueId>(id);
  }
  absl::StatusOr<std::vector<program::ValueId>> Ids(const json& object,
                                                    const char* name,
                                                    const std::string& at,
                                                    bool optional) const {
    AUTOTP_ASSIGN_OR_RETURN(const json* list, in_.List(object, name, at));
    const std::string here = absl::StrCat(at, "/", name);
    std::vector<program::ValueId> ids;
    for (const json& one : *list) {
      AUTOTP_ASSIGN_OR_RETURN(const int64_t id, in_.IntegerOf(one, here));
      if (optional && id == program::kNoValue) {
        ids.push_back(program::kNoValue);
        continue;
      }
      AUTOTP_ASSIGN_OR_RETURN(ids.emplace_back(), Id(id, here));
    }
    return ids;
  }

  static std::optional<ValueKind> KindOf(absl::string_view name) {
    if (name == "float") return ValueKind::kFloat;
    if (name == "float32") return ValueKind::kFloat32;
    if (name == "index") return ValueKind::kIndex;
    if (name == "bool") return ValueKind::kBool;
    return std::nullopt;
  }

  // A fact that may be absent.
  absl::Status Count(const char* name, int64_t* count) const {
    if (!root_.contains(name)) return absl::OkStatus();
    AUTOTP_ASSIGN_OR_RETURN(*count, in_.Integer(root_, name, ""));
    if (*count < 0 || *count > kMostElements)
      return in_.Wrong(absl::StrCat("/", name), "is out of range");
    return absl::OkStatus();
  }

  absl::Status ReadFacts() {
    AUTOTP_ASSIGN_OR_RETURN(file_.program.name, in_.Text(root_, "name", ""));
    AUTOTP_ASSIGN_OR_RETURN(file_.model_type,
                            in_.Text(root_, "model_type", ""));
    if (root_.contains("base_model_prefix")) {
      AUTOTP_ASSIGN_OR_RETURN(file_.base_model_prefix,
                              in_.Text(root_, "base_model_prefix", ""));
    }
    AUTOTP_RETURN_IF_ERROR(Count("vocabulary_size", &file_.vocabulary_size));
    AUTOTP_RETURN_IF_ERROR(Count("attention_heads", &file_.attention_heads));
    AUTOTP_RETURN_IF_ERROR(Count("key_value_heads", &file_.key_value_heads));
    AUTOTP_RETURN_IF_ERROR(Count("head_width", &file_.head_width));
    if (const auto origin = root_.find("origin");
        origin != root_.end() && origin->is_object()) {
      AUTOTP_ASSIGN_OR_RETURN(const std::string name,
                              in_.Text(*origin, "class", "/origin"));
      AUTOTP_ASSIGN_OR_RETURN(const std::string torch,
                              in_.Text(*origin, "torch", "/origin"));
      file_.origin = absl::StrCat(name, ", torch ", torch);
    }
    const auto plan = root_.find("tp_plan");
    if (plan == root_.end()) return absl::OkStatus();
    if (!plan->is_object()) return in_.Wrong("/tp_plan", "has to be an object");
    for (const auto& [pattern, style] : plan->items()) {
      AUTOTP_ASSIGN_OR_RETURN(std::string text, in_.TextOf(style, "/tp_plan"));
      file_.tp_plan.emplace_back(pattern, std::move(text));
    }
    return absl::OkStatus();
  }

  absl::Status ReadValues() {
    AUTOTP_ASSIGN_OR_RETURN(const json* values, in_.List(root_, "values", ""));
    for (size_t i = 0; i < values->size(); ++i) {
      const std::string at = absl::StrCat("/values/", i);
      const json& one = (*values)[i];
      if (!one.is_array() || one.size() != 3)
        return in_.Wrong(at, "has to be [name, shape, kind]");
      Value value;
      AUTOTP_ASSIGN_OR_RETURN(value.name, in_.TextOf(one[0], at));
      AUTOTP_ASSIGN_OR_RETURN(value.shape, in_.Shape(one[1], at));
      AUTOTP_ASSIGN_OR_RETURN(const std::string kind, in_.TextOf(one[2], at));
      const std::optional<ValueKind> known = KindOf(kind);
      if (!known.has_value())
        return in_.Wrong(at, absl::StrCat("'", kind, "' is no kind of value"));
      value.kind = *known;
      file_.program.values.push_back(std::move(value));
    }
    return absl::OkStatus();
  }

  absl::Status ReadInputs() {
    AUTOTP_ASSIGN_OR_RETURN(file_.program.inputs,
                            Ids(root_, "inputs", "", /*optional=*/false));
    if (file_.program.inputs.empty())
      return in_.Wrong("/inputs", "is empty: the model reads no data");
    return absl::OkStatus();
  }

  absl::Status ReadInitialization(const json& init, const std::string& at,
                                  Initialization* initialization) const {
    if (!init.is_array() || init.size() != 2 || !init[0].is_string() ||
        !init[1].is_array())
      return in_.Wrong(at, "has to be [kind, numbers]");
    std::vector<double> numbers;
    for (const json& number : init[1]) {
      if (!number.is_number()) return in_.Wrong(at, "has to list numbers");
      numbers.push_back(number.get<double>());
    }
    const auto& kind = init[0].get_ref<const std::string&>();
    *initialization = {Initialization::Kind::kZeros, 0, -1};
    if (kind == "zero" || (kind == "fill" && numbers == std::vector{0.0}))
      return absl::OkStatus();
    if (kind == "fill" && numbers == std::vector{1.0}) {
      initialization->kind = Initialization::Kind::kOnes;
      return absl::OkStatus();
    }
    initialization->kind = Initialization::Kind::kNormal;
    initialization->standard_deviation = kDefaultDeviation;
    if (kind == "normal" && numbers.size() >= 2 && numbers[1] >= 0)
      initialization->standard_deviation = numbers[1];
    if (kind == "uniform" && numbers.size() >= 2 && numbers[1] >= numbers[0]) {
      initialization->standard_deviation =
          (numbers[1] - numbers[0]) / std::sqrt(12.0);
    }
    return absl::OkStatus();
  }

  absl::Status ReadParameters() {
    AUTOTP_ASSIGN_OR_RETURN(const json* list,
                            in_.List(root_, "parameters", ""));
    for (size_t i = 0; i < list->size(); ++i) {
      const std::string at = absl::StrCat("/parameters/", i);
      const json& one = (*list)[i];
      if (!one.is_object()) return in_.Wrong(at, "has to be an object");
      program::Parameter parameter;
      AUTOTP_ASSIGN_OR_RETURN(parameter.name, in_.Text(one, "name", at));
      AUTOTP_ASSIGN_OR_RETURN(const int64_t id, in_.Integer(one, "value", at));
      AUTOTP_ASSIGN_OR_RETURN(parameter.value, Id(id, at));
      parameter.shape = file_.program.values[parameter.value].shape;
      const json frozen = one.value("frozen", json(false));
      if (!frozen.is_boolean())
        return in_.Wrong(absl::StrCat(at, "/frozen"),
                         "has to be true or false");
      parameter.frozen = frozen.get<bool>();
      if (one.contains("aliases")) {
        AUTOTP_ASSIGN_OR_RETURN(const json* aliases,
                                in_.List(one, "aliases", at));
        for (const json& alias : *aliases) {
          AUTOTP_ASSIGN_OR_RETURN(parameter.aliases.emplace_back(),
                                  in_.TextOf(alias, at));
        }
      }
      if (one.value("stored", json(false)) == json(true))
        file_.stored.push_back(file_.program.parameters.size());
      const size_t rank = parameter.shape.size();
      if (one.contains("init")) {
        AUTOTP_RETURN_IF_ERROR(ReadInitialization(
            one["init"], absl::StrCat(at, "/init"), &parameter.initialization));
      } else if (rank < 2) {
        parameter.initialization = {absl::EndsWith(parameter.name, "weight")
                                        ? Initialization::Kind::kOnes
                                        : Initialization::Kind::kZeros,
                                    0, -1};
      }
      file_.program.parameters.push_back(std::move(parameter));
    }
    return absl::OkStatus();
  }

  absl::Status ReadNodes() {
    AUTOTP_ASSIGN_OR_RETURN(const json* nodes, in_.List(root_, "nodes", ""));
    for (size_t i = 0; i < nodes->size(); ++i) {
      const std::string at = absl::StrCat("/nodes/", i);
      const json& one = (*nodes)[i];
      if (!one.is_object()) return in_.Wrong(at, "has to be an object");
      Node node;
      AUTOTP_ASSIGN_OR_RETURN(const std::string name, in_.Text(one, "op", at));
      if (absl::StartsWith(name, "aten.")) {
        node.operation = Operation::kAten;
        node.aten = name;
      } else if (name == OperationName(Operation::kRotaryTable)) {
        node.operation = Operation::kRotaryTable;
      } else if (name == OperationName(Operation::kAlibiTable)) {
        node.operation = Operation::kAlibiTable;
      } else if (name == OperationName(Operation::kExperts)) {
        node.operation = Operation::kExperts;
      } else {
        return in_.Wrong(
            absl::StrCat(at, "/op"),
            absl::StrCat("'", name, "' is no operation of a file"));
      }
      AUTOTP_ASSIGN_OR_RETURN(node.inputs, Ids(one, "in", at, true));
      AUTOTP_ASSIGN_OR_RETURN(node.outputs, Ids(one, "out", at, false));
      if (one.contains("scope")) {
        AUTOTP_ASSIGN_OR_RETURN(node.scope, in_.Text(one, "scope", at));
      }
      AUTOTP_ASSIGN_OR_RETURN(const json* attributes,
                              in_.Member(one, "attrs", at));
      if (!attributes->is_object())
        return in_.Wrong(absl::StrCat(at, "/attrs"), "has to be an object");
      for (const auto& [key, value] : attributes->items()) {
        AUTOTP_ASSIGN_OR_RETURN(
            node.attributes[key],
            in_.AttributeOf(value, absl::StrCat(at, "/attrs/", key)));
      }
      file_.program.nodes.push_back(std::move(node));
    }
    return absl::OkStatus();
  }

  const ProgramJson in_;
  const json& root_;
  ProgramFile file_;
};

}  // namespace

absl::StatusOr<ProgramFile> ParseProgramFile(const std::string& path,
                                             absl::string_view text,
                                             const ProgramSizes& sizes) {
  AUTOTP_ASSIGN_OR_RETURN(const json root, ParseJson(path, text));
  return Reader(path, root, sizes).Read();
}

absl::StatusOr<ProgramFile> ReadProgramFile(const std::string& path,
                                            const ProgramSizes& sizes) {
  AUTOTP_ASSIGN_OR_RETURN(const std::string text,
                          ReadTextFile(path, kMostBytes));
  return ParseProgramFile(path, text, sizes);
}

}  // namespace autotp::model
