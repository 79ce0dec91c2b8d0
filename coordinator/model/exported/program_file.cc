#include "coordinator/model/exported/program_file.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/numeric/int128.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "coordinator/model/finding.h"
#include "coordinator/model/huggingface/json_text.h"
#include "coordinator/model/utf8.h"
#include "proto/support/status_macros.h"

namespace autotp::model {
namespace {

using nlohmann::json;
using program::Attribute;
using program::Initialization;
using program::Node;
using program::Operation;
using program::Program;
using program::Value;
using program::ValueKind;

constexpr size_t kMostBytes = size_t{256} << 20;
constexpr size_t kMostNodes = 1 << 20;
constexpr size_t kMostDims = 16;
// Elements of one value, so that what a program holds is counted in int64.
constexpr int64_t kMostElements = int64_t{1} << 42;
constexpr int kVersion = 1;
constexpr double kDefaultDeviation = 0.02;

class Reader {
 public:
  Reader(std::string path, const json& root, const ProgramSizes& sizes)
      : path_(std::move(path)), root_(root), sizes_(sizes) {}

  absl::StatusOr<ProgramFile> Read() {
    if (!root_.is_object()) return Wrong("", "has to be an object");
    AUTOTP_ASSIGN_OR_RETURN(const std::string format,
                            Text(root_, "format", ""));
    AUTOTP_ASSIGN_OR_RETURN(const int64_t version,
                            Integer(root_, "version", ""));
    if (format != "autotp-program" || version != kVersion) {
      return Wrong("/version",
                   absl::StrCat("is of no program file of version ", kVersion),
                   "import the model again with this release's autotp-import");
    }
    AUTOTP_RETURN_IF_ERROR(CheckSizes());
    AUTOTP_RETURN_IF_ERROR(ReadFacts());
    AUTOTP_RETURN_IF_ERROR(ReadValues());
    AUTOTP_RETURN_IF_ERROR(ReadInputs());
    AUTOTP_RETURN_IF_ERROR(ReadParameters());
    AUTOTP_RETURN_IF_ERROR(ReadNodes());
    AUTOTP_ASSIGN_OR_RETURN(const int64_t loss, Integer(root_, "loss", ""));
    AUTOTP_ASSIGN_OR_RETURN(file_.program.loss, Id(loss, "/loss"));
    const absl::Status checked = CheckProgram(file_.program);
    if (!checked.ok()) return Wrong("", std::string(checked.message()));
    return std::move(file_);
  }

 private:
  absl::Status Wrong(const std::string& pointer, const std::string& message,
                     const std::string& suggestion =
                         "import the model again; the file is not to be "
                         "edited") const {
    return ToStatus({.reason = "MODEL_PROGRAM_INVALID",
                     .file = path_,
                     .message = message,
                     .suggestion = suggestion,
                     .json_pointer = pointer});
  }

  // Members of objects.
  absl::StatusOr<const json*> Member(const json& object, const char* name,
                                     const std::string& at) const {
    const auto found = object.find(name);
    if (found == object.end())
      return Wrong(absl::StrCat(at, "/", name), "is missing");
    return &*found;
  }
  absl::StatusOr<const json*> List(const json& object, const char* name,
                                   const std::string& at) const {
    AUTOTP_ASSIGN_OR_RETURN(const json* list, Member(object, name, at));
    if (!list->is_array() || list->size() > kMostNodes)
      return Wrong(absl::StrCat(at, "/", name), "has to be a list");
    return list;
  }
  absl::StatusOr<std::string> Text(const json& object, const char* name,
                                   const std::string& at) const {
    AUTOTP_ASSIGN_OR_RETURN(const json* text, Member(object, name, at));
    return TextOf(*text, absl::StrCat(at, "/", name));
  }
  absl::StatusOr<std::string> TextOf(const json& text,
                                     const std::string& at) const {
    if (!text.is_string() || !IsUtf8(text.get_ref<const std::string&>()))
      return Wrong(at, "has to be a text");
    return text.get<std::string>();
  }
  absl::StatusOr<int64_t> Integer(const json& object, const char* name,
                                  const std::string& at) const {
    AUTOTP_ASSIGN_OR_RETURN(const json* number, Member(object, name, at));
    return IntegerOf(*number, absl::StrCat(at, "/", name));
  }
  absl::StatusOr<int64_t> IntegerOf(const json& number,
                                    const std::string& at) const {
    const bool fits =
        number.is_number_integer() &&
        (!number.is_number_unsigned() ||
         number.get<uint64_t>() <=
             static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
    if (!fits) return Wrong(at, "has to be an integer");
    return number.get<int64_t>();
  }
  // A number, or what the sizes make it.
  absl::StatusOr<int64_t> SizeOf(const json& size,
                                 const std::string& at) const {
    if (!size.is_object()) return IntegerOf(size, at);
    const absl::int128 batch = sizes_.micro_batch;
    const absl::int128 tokens = sizes_.sequence_length;
    absl::int128 sum = 0;
    for (const auto& [name, factor] : size.items()) {
      AUTOTP_ASSIGN_OR_RETURN(const int64_t count, IntegerOf(factor, at));
      if (std::abs(static_cast<double>(count)) > kMostElements)
        return Wrong(at, "is out of range");
      if (name == "B")
        sum += batch * count;
      else if (name == "T")
        sum += tokens * count;
      else if (name == "BT")
        sum += batch * tokens * count;
      else if (name == "1")
        sum += count;
      else
        return Wrong(at, "is no size");
    }
    if (sum > kMostElements || sum < -kMostElements)
      return Wrong(at, "is out of range");
    return static_cast<int64_t>(sum);
  }

  // Is the program for these sizes?
  absl::Status CheckSizes() const {
    AUTOTP_ASSIGN_OR_RETURN(const int64_t batch,
                            Integer(root_, "micro_batch", ""));
    AUTOTP_ASSIGN_OR_RETURN(const json* range,
                            List(root_, "sequence_length", ""));
    if (range->size() != 2)
      return Wrong("/sequence_length", "has to be [shortest, longest]");
    AUTOTP_ASSIGN_OR_RETURN(const int64_t shortest,
                            IntegerOf((*range)[0], "/sequence_length/0"));
    AUTOTP_ASSIGN_OR_RETURN(const int64_t longest,
                            IntegerOf((*range)[1], "/sequence_length/1"));
    const int64_t tokens = sizes_.sequence_length;
    if (batch != 0 && batch != sizes_.micro_batch) {
      return Misfit("/micro_batch",
                    absl::StrCat("the program is for micro-batches of ", batch,
                                 ", this job has ", sizes_.micro_batch));
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
         .file = path_,
         .message = message,
         .suggestion = absl::StrCat("import the model again with --micro-batch "
                                    "or --sequence-length, or change the job"),
         .json_pointer = pointer});
  }

  absl::StatusOr<program::ValueId> Id(int64_t id, const std::string& at) const {
    if (id < 0 || id >= static_cast<int64_t>(file_.program.values.size()))
      return Wrong(at, absl::StrCat(id, " is no value"));
    return static_cast<program::ValueId>(id);
  }
  absl::StatusOr<std::vector<program::ValueId>> Ids(const json& object,
                                                    const char* name,
                                                    const std::string& at,
                                                    bool optional) const {
    AUTOTP_ASSIGN_OR_RETURN(const json* list, List(object, name, at));
    const std::string here = absl::StrCat(at, "/", name);
    std::vector<program::ValueId> ids;
    for (const json& one : *list) {
      AUTOTP_ASSIGN_OR_RETURN(const int64_t id, IntegerOf(one, here));
      if (optional && id == program::kNoValue) {
        ids.push_back(program::kNoValue);
        continue;
      }
      AUTOTP_ASSIGN_OR_RETURN(ids.emplace_back(), Id(id, here));
    }
    return ids;
  }

  absl::StatusOr<std::vector<int64_t>> Shape(const json& list,
                                             const std::string& at) const {
    if (!list.is_array() || list.size() > kMostDims)
      return Wrong(at, "has to be a list of at most 16 sizes");
    std::vector<int64_t> shape;
    int64_t elements = 1;
    for (const json& one : list) {
      AUTOTP_ASSIGN_OR_RETURN(const int64_t size, SizeOf(one, at));
      if (size < 0 || size > kMostElements)
        return Wrong(at, absl::StrCat(size, " is no size"));
      shape.push_back(size);
      if (size > 0 && elements > kMostElements / size)
        return Wrong(at, "has too many elements");
      elements *= std::max<int64_t>(size, 1);
    }
    return shape;
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
    AUTOTP_ASSIGN_OR_RETURN(*count, Integer(root_, name, ""));
    if (*count < 0 || *count > kMostElements)
      return Wrong(absl::StrCat("/", name), "is out of range");
    return absl::OkStatus();
  }

  absl::Status ReadFacts() {
    AUTOTP_ASSIGN_OR_RETURN(file_.program.name, Text(root_, "name", ""));
    AUTOTP_ASSIGN_OR_RETURN(file_.model_type, Text(root_, "model_type", ""));
    if (root_.contains("base_model_prefix")) {
      AUTOTP_ASSIGN_OR_RETURN(file_.base_model_prefix,
                              Text(root_, "base_model_prefix", ""));
    }
    AUTOTP_RETURN_IF_ERROR(Count("vocabulary_size", &file_.vocabulary_size));
    AUTOTP_RETURN_IF_ERROR(Count("attention_heads", &file_.attention_heads));
    AUTOTP_RETURN_IF_ERROR(Count("key_value_heads", &file_.key_value_heads));
    AUTOTP_RETURN_IF_ERROR(Count("head_width", &file_.head_width));
    if (const auto origin = root_.find("origin");
        origin != root_.end() && origin->is_object()) {
      AUTOTP_ASSIGN_OR_RETURN(const std::string name,
                              Text(*origin, "class", "/origin"));
      AUTOTP_ASSIGN_OR_RETURN(const std::string torch,
                              Text(*origin, "torch", "/origin"));
      file_.origin = absl::StrCat(name, ", torch ", torch);
    }
    const auto plan = root_.find("tp_plan");
    if (plan == root_.end()) return absl::OkStatus();
    if (!plan->is_object()) return Wrong("/tp_plan", "has to be an object");
    for (const auto& [pattern, style] : plan->items()) {
      AUTOTP_ASSIGN_OR_RETURN(std::string text, TextOf(style, "/tp_plan"));
      file_.tp_plan.emplace_back(pattern, std::move(text));
    }
    return absl::OkStatus();
  }

  absl::Status ReadValues() {
    AUTOTP_ASSIGN_OR_RETURN(const json* values, List(root_, "values", ""));
    for (size_t i = 0; i < values->size(); ++i) {
      const std::string at = absl::StrCat("/values/", i);
      const json& one = (*values)[i];
      if (!one.is_array() || one.size() != 3)
        return Wrong(at, "has to be [name, shape, kind]");
      Value value;
      AUTOTP_ASSIGN_OR_RETURN(value.name, TextOf(one[0], at));
      AUTOTP_ASSIGN_OR_RETURN(value.shape, Shape(one[1], at));
      AUTOTP_ASSIGN_OR_RETURN(const std::string kind, TextOf(one[2], at));
      const std::optional<ValueKind> known = KindOf(kind);
      if (!known.has_value())
        return Wrong(at, absl::StrCat("'", kind, "' is no kind of value"));
      value.kind = *known;
      file_.program.values.push_back(std::move(value));
    }
    return absl::OkStatus();
  }

  absl::Status ReadInputs() {
    AUTOTP_ASSIGN_OR_RETURN(file_.program.inputs,
                            Ids(root_, "inputs", "", /*optional=*/false));
    if (file_.program.inputs.empty())
      return Wrong("/inputs", "is empty: the model reads no data");
    return absl::OkStatus();
  }

  absl::Status ReadInitialization(const json& init, const std::string& at,
                                  Initialization* initialization) const {
    if (!init.is_array() || init.size() != 2 || !init[0].is_string() ||
        !init[1].is_array())
      return Wrong(at, "has to be [kind, numbers]");
    std::vector<double> numbers;
    for (const json& number : init[1]) {
      if (!number.is_number()) return Wrong(at, "has to list numbers");
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
    AUTOTP_ASSIGN_OR_RETURN(const json* list, List(root_, "parameters", ""));
    for (size_t i = 0; i < list->size(); ++i) {
      const std::string at = absl::StrCat("/parameters/", i);
      const json& one = (*list)[i];
      if (!one.is_object()) return Wrong(at, "has to be an object");
      program::Parameter parameter;
      AUTOTP_ASSIGN_OR_RETURN(parameter.name, Text(one, "name", at));
      AUTOTP_ASSIGN_OR_RETURN(const int64_t id, Integer(one, "value", at));
      AUTOTP_ASSIGN_OR_RETURN(parameter.value, Id(id, at));
      parameter.shape = file_.program.values[parameter.value].shape;
      const json frozen = one.value("frozen", json(false));
      if (!frozen.is_boolean())
        return Wrong(absl::StrCat(at, "/frozen"), "has to be true or false");
      parameter.frozen = frozen.get<bool>();
      if (one.contains("aliases")) {
        AUTOTP_ASSIGN_OR_RETURN(const json* aliases, List(one, "aliases", at));
        for (const json& alias : *aliases) {
          AUTOTP_ASSIGN_OR_RETURN(parameter.aliases.emplace_back(),
                                  TextOf(alias, at));
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

  // {"number": "inf"} is what JSON has no number for.
  absl::StatusOr<Attribute> ReadAttribute(const json& value,
                                          const std::string& at) const {
    if (value.is_boolean()) return Attribute(value.get<bool>());
    if (value.is_string()) {
      AUTOTP_ASSIGN_OR_RETURN(std::string text, TextOf(value, at));
      return Attribute(std::move(text));
    }
    if (value.is_number_float()) return Attribute(value.get<double>());
    if (value.is_number()) {
      AUTOTP_ASSIGN_OR_RETURN(const int64_t number, IntegerOf(value, at));
      return Attribute(number);
    }
    if (value.is_object() && value.size() == 1 && value.contains("number") &&
        value["number"].is_string()) {
      double number = 0;
      if (!absl::SimpleAtod(value["number"].get_ref<const std::string&>(),
                            &number))
        return Wrong(at, "is no number");
      return Attribute(number);
    }
    if (value.is_object()) {
      AUTOTP_ASSIGN_OR_RETURN(const int64_t size, SizeOf(value, at));
      return Attribute(size);
    }
    if (!value.is_array()) return Wrong(at, "is no attribute");
    bool integers = true;
    bool numbers_only = true;
    for (const json& one : value) {
      if (!one.is_number() && !one.is_object())
        return Wrong(at, "has to list numbers");
      integers = integers && !one.is_number_float();
      numbers_only = numbers_only && one.is_number();
    }
    if (!integers && !numbers_only) return Wrong(at, "has to list numbers");
    if (!integers) return Attribute(value.get<std::vector<double>>());
    std::vector<int64_t> numbers;
    for (const json& one : value) {
      AUTOTP_ASSIGN_OR_RETURN(numbers.emplace_back(), SizeOf(one, at));
    }
    return Attribute(std::move(numbers));
  }

  absl::Status ReadNodes() {
    AUTOTP_ASSIGN_OR_RETURN(const json* nodes, List(root_, "nodes", ""));
    for (size_t i = 0; i < nodes->size(); ++i) {
      const std::string at = absl::StrCat("/nodes/", i);
      const json& one = (*nodes)[i];
      if (!one.is_object()) return Wrong(at, "has to be an object");
      Node node;
      AUTOTP_ASSIGN_OR_RETURN(const std::string name, Text(one, "op", at));
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
        return Wrong(absl::StrCat(at, "/op"),
                     absl::StrCat("'", name, "' is no operation of a file"));
      }
      AUTOTP_ASSIGN_OR_RETURN(node.inputs, Ids(one, "in", at, true));
      AUTOTP_ASSIGN_OR_RETURN(node.outputs, Ids(one, "out", at, false));
      if (one.contains("scope")) {
        AUTOTP_ASSIGN_OR_RETURN(node.scope, Text(one, "scope", at));
      }
      AUTOTP_ASSIGN_OR_RETURN(const json* attributes, Member(one, "attrs", at));
      if (!attributes->is_object())
        return Wrong(absl::StrCat(at, "/attrs"), "has to be an object");
      for (const auto& [key, value] : attributes->items()) {
        AUTOTP_ASSIGN_OR_RETURN(
            node.attributes[key],
            ReadAttribute(value, absl::StrCat(at, "/attrs/", key)));
      }
      file_.program.nodes.push_back(std::move(node));
    }
    return absl::OkStatus();
  }

  const std::string path_;
  const json& root_;
  const ProgramSizes sizes_;
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
