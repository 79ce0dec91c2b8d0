#include "coordinator/model/model.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "coordinator/model/copied_files.h"
#include "coordinator/model/exported/exported_model.h"
#include "coordinator/model/finding.h"
#include "coordinator/model/huggingface/config_reader.h"
#include "coordinator/model/huggingface/families/families.h"
#include "coordinator/model/huggingface/json_text.h"
#include "coordinator/model/huggingface/weight_files.h"
#include "coordinator/model/huggingface/weight_match.h"
#include "proto/support/status_macros.h"

namespace autotp::model {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostConfigBytes = size_t{4} << 20;
// Beyond any machine; what a program holds can then be counted in int64.
constexpr int64_t kMostBatch = 1 << 16;
constexpr int64_t kMostTokens = 1 << 23;

absl::StatusOr<fs::path> CheckFolder(const std::string& path) {
  std::error_code error;
  const fs::path folder = fs::absolute(path, error);
  Finding finding{.reason = "MODEL_FOLDER_MISSING", .file = path};
  if (path.empty()) {
    finding.message = "no model folder is given";
  } else if (!fs::exists(folder, error)) {
    finding.message = "there is no such model folder";
    finding.suggestion =
        "give the path of a folder with config.json, as save_pretrained() "
        "writes it";
  } else if (!fs::is_directory(folder, error)) {
    finding.message = "the model has to be a folder, not a file";
  } else if (!fs::exists(folder / "config.json", error)) {
    finding.message = "the model folder has no config.json";
    finding.suggestion = "give the folder that save_pretrained() wrote";
  } else {
    return folder.lexically_normal();
  }
  return ToStatus(finding, absl::StatusCode::kNotFound);
}

absl::Status CheckInput(const ModelRequest& request) {
  const auto invalid = [](const auto&... parts) {
    return ToStatus(
        {.reason = "MODEL_INPUT_INVALID", .message = absl::StrCat(parts...)});
  };
  if (request.micro_batch < 1 || request.micro_batch > kMostBatch) {
    return invalid("the micro-batch has ", request.micro_batch,
                   " sequences, it needs 1 to ", kMostBatch);
  }
  if (request.sequence_length < 2 || request.sequence_length > kMostTokens) {
    return invalid("the sequence length is ", request.sequence_length,
                   " tokens, it needs 2 to ", kMostTokens,
                   " (a token is learnt from those before it)");
  }
  return absl::OkStatus();
}

// Keys that change what the weights are, in ways that are not built.
absl::Status RefuseUnsupported(ConfigReader& config) {
  if (config.Has("quantization_config")) {
    config.Fail("quantization_config",
                "marks quantized weights, which are "
                "not trained here",
                "use the model's unquantized weights");
  }
  return config.status();
}

std::vector<TpPlanText> TpPlansOf(ConfigReader& config) {
  std::vector<TpPlanText> plans;
  for (const char* key :
       {"base_model_tp_plan", "tp_plan", "text_config/base_model_tp_plan",
        "text_config/tp_plan"}) {
    TpPlanText plan{absl::StrCat("/", key), config.TextMembers(key)};
    if (!plan.entries.empty()) plans.push_back(std::move(plan));
  }
  return plans;
}

// Constants of an import lie in a file of their own.
absl::Status MatchTheRest(const std::string& folder,
                          absl::string_view base_prefix, LoadedModel* loaded) {
  AUTOTP_ASSIGN_OR_RETURN(const WeightTensors tensors,
                          ReadWeightHeaders(folder));
  std::vector<program::Parameter> all = std::move(loaded->program.parameters);
  loaded->program.parameters.clear();
  for (const program::Parameter& parameter : all) {
    if (parameter.source_file.empty())
      loaded->program.parameters.push_back(parameter);
  }
  AUTOTP_RETURN_IF_ERROR(MatchWeights(folder, tensors, base_prefix,
                                      &loaded->program, &loaded->warnings));
  size_t matched = 0;
  for (program::Parameter& parameter : all) {
    if (parameter.source_file.empty())
      parameter = loaded->program.parameters[matched++];
  }
  loaded->program.parameters = std::move(all);
  return absl::OkStatus();
}

// What is trained is not what config.json alone says.
v1::Diagnostic ImportNote(const std::string& folder,
                          const ProgramFile& program) {
  v1::Diagnostic note = ToWarning(
      {.reason = "MODEL_IMPORTED",
       .file = (fs::path(folder) / std::string(kProgramFile)).string(),
       .message =
           absl::StrCat("is what is trained",
                        program.origin.empty() ? "" : ": ", program.origin),
       .suggestion = "take the file away to train the model that config.json "
                     "names, where its family is known"});
  note.set_severity(v1::Diagnostic::SEVERITY_NOTE);
  return note;
}

absl::StatusOr<LoadedModel> LoadFromImport(const ModelRequest& request,
                                           const std::string& folder,
                                           ConfigReader& config) {
  AUTOTP_ASSIGN_OR_RETURN(
      ProgramFile file,
      LoadImported(folder, {request.micro_batch, request.sequence_length}));
  LoadedModel loaded;
  loaded.warnings.push_back(ImportNote(folder, file));
  loaded.program = std::move(file.program);
  loaded.model_type = std::move(file.model_type);
  loaded.base_model_prefix = std::move(file.base_model_prefix);
  loaded.vocabulary_size = file.vocabulary_size;
  loaded.attention_heads = file.attention_heads;
  loaded.key_value_heads = file.key_value_heads;
  loaded.head_width = file.head_width;
  loaded.tp_plans = TpPlansOf(config);
  if (loaded.tp_plans.empty() && !file.tp_plan.empty()) {
    loaded.tp_plans.push_back(
        {absl::StrCat(kProgramFile, "#/tp_plan"), std::move(file.tp_plan)});
  }
  AUTOTP_RETURN_IF_ERROR(config.status());
  loaded.config_json = config.text();
  if (request.need_weights) {
    AUTOTP_RETURN_IF_ERROR(
        MatchTheRest(folder, loaded.base_model_prefix, &loaded));
  }
  AUTOTP_ASSIGN_OR_RETURN(loaded.copied_files, CopiedFiles(folder));
  return loaded;
}

}  // namespace

absl::StatusOr<LoadedModel> LoadModel(const ModelRequest& request) {
  AUTOTP_RETURN_IF_ERROR(CheckInput(request));
  AUTOTP_ASSIGN_OR_RETURN(const fs::path folder, CheckFolder(request.path));
  AUTOTP_ASSIGN_OR_RETURN(
      JsonText json,
      ReadJsonFile((folder / "config.json").string(), kMostConfigBytes));
  ConfigReader config(std::move(json));
  if (IsImported(folder.string()))
    return LoadFromImport(request, folder.string(), config);
  AUTOTP_ASSIGN_OR_RETURN(const Family family, FindFamily(config));
  AUTOTP_RETURN_IF_ERROR(RefuseUnsupported(config));

  LoadedModel loaded;
  AUTOTP_ASSIGN_OR_RETURN(
      FamilyProgram built,
      family.build(config,
                   {request.micro_batch, request.sequence_length,
                    request.pack_documents},
                   &loaded.warnings));
  loaded.program = std::move(built.program);
  loaded.model_type = std::string(family.model_type);
  loaded.base_model_prefix = std::string(family.base_model_prefix);
  loaded.vocabulary_size = built.sizes.vocabulary;
  loaded.attention_heads = built.sizes.heads;
  loaded.key_value_heads = built.sizes.key_value_heads;
  loaded.head_width = built.sizes.head_width;
  loaded.tp_plans = TpPlansOf(config);
  AUTOTP_RETURN_IF_ERROR(config.status());
  loaded.config_json = config.text();

  if (request.need_weights) {
    AUTOTP_ASSIGN_OR_RETURN(const WeightTensors tensors,
                            ReadWeightHeaders(folder.string()));
    AUTOTP_RETURN_IF_ERROR(MatchWeights(folder.string(), tensors,
                                        family.base_model_prefix,
                                        &loaded.program, &loaded.warnings));
  }
  AUTOTP_ASSIGN_OR_RETURN(loaded.copied_files, CopiedFiles(folder.string()));
  return loaded;
}

v1::DataType DtypeOf(absl::string_view config_json) {
  constexpr std::pair<absl::string_view, v1::DataType> kTypes[] = {
      {"\"float32\"", v1::DATA_TYPE_FLOAT32},
      {"\"bfloat16\"", v1::DATA_TYPE_BFLOAT16},
      {"\"float16\"", v1::DATA_TYPE_FLOAT16}};
  for (const char* key : {"dtype", "torch_dtype"}) {
    const std::optional<MemberPlace> place = FindMember(config_json, {key});
    if (!place.has_value()) continue;
    const absl::string_view value = config_json.substr(
        place->value_begin, place->value_end - place->value_begin);
    for (const auto& [text, type] : kTypes)
      if (value == text) return type;
  }
  return v1::DATA_TYPE_UNSPECIFIED;
}

std::string WithDtype(absl::string_view config_json, absl::string_view dtype) {
  std::map<size_t, size_t> values;  // begin -> end
  for (const char* key : {"dtype", "torch_dtype"}) {
    const std::optional<MemberPlace> place = FindMember(config_json, {key});
    if (place.has_value()) values[place->value_begin] = place->value_end;
  }
  std::string text;
  size_t at = 0;
  for (const auto& [begin, end] : values) {
    absl::StrAppend(&text, config_json.substr(at, begin - at), "\"", dtype,
                    "\"");
    at = end;
  }
  absl::StrAppend(&text, config_json.substr(at));
  return text;
}

std::vector<std::string> KnownModelTypes() {
  std::vector<std::string> types;
  for (const Family& family : Families()) types.emplace_back(family.model_type);
  return types;
}

}  // namespace autotp::model
