#include "client/cli/job_request.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/config_argument.h"
#include "nlohmann/json.hpp"
#include "proto/support/status_macros.h"

namespace autotp::cli {
namespace {

using nlohmann::json;

absl::StatusOr<std::string> ReadText(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": no such file; give the path of a file"));
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": cannot be read; check its permissions"));
  }
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string Absolute(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

absl::StatusOr<v1::DataType> ParseDataType(const std::string& name) {
  if (name.empty()) return v1::DATA_TYPE_UNSPECIFIED;
  if (name == "fp32") return v1::DATA_TYPE_FLOAT32;
  if (name == "bf16") return v1::DATA_TYPE_BFLOAT16;
  if (name == "fp16") return v1::DATA_TYPE_FLOAT16;
  return absl::InvalidArgumentError(absl::StrCat(
      "export_dtype: \"", name, "\" is not one of fp32, bf16, fp16"));
}

absl::StatusOr<v1::DataSource::TokenType> ParseTokenType(
    const std::string& name) {
  if (name.empty()) return v1::DataSource::TOKEN_TYPE_UNSPECIFIED;
  if (name == "u16") return v1::DataSource::TOKEN_TYPE_UINT16;
  if (name == "u32") return v1::DataSource::TOKEN_TYPE_UINT32;
  return absl::InvalidArgumentError(
      absl::StrCat("token_dtype: \"", name, "\" is not one of u16, u32"));
}

absl::StatusOr<v1::Recomputation> ParseRecomputation(const std::string& name) {
  if (name.empty()) return v1::RECOMPUTATION_UNSPECIFIED;
  if (name == "none") return v1::RECOMPUTATION_NONE;
  if (name == "selective") return v1::RECOMPUTATION_SELECTIVE;
  if (name == "block") return v1::RECOMPUTATION_BLOCK;
  return absl::InvalidArgumentError(absl::StrCat(
      "recompute: \"", name, "\" is not one of none, selective, block"));
}

// Takes `key` out of the file's object into `field`.
template <typename T>
absl::Status Take(json& object, const std::string& path, const char* key,
                  T& field) {
  const auto found = object.find(key);
  if (found == object.end()) return absl::OkStatus();
  const bool fits = std::is_same_v<T, bool>     ? found->is_boolean()
                    : std::is_same_v<T, double> ? found->is_number()
                    : std::is_same_v<T, std::string>
                        ? found->is_string()
                        : found->is_number_integer();
  if (!fits) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": \"", key, "\" has the wrong type: ", found->dump()));
  }
  field = found->template get<T>();
  object.erase(found);
  return absl::OkStatus();
}

// The same of a list of texts.
absl::Status TakeTexts(json& object, const std::string& path, const char* key,
                       std::vector<std::string>& texts) {
  const auto found = object.find(key);
  if (found == object.end()) return absl::OkStatus();
  const bool fits =
      found->is_array() &&
      std::all_of(found->begin(), found->end(),
                  [](const json& text) { return text.is_string(); });
  if (!fits) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": \"", key, "\" is no list of texts: ", found->dump()));
  }
  texts = found->get<std::vector<std::string>>();
  object.erase(found);
  return absl::OkStatus();
}

void SetEvaluation(const JobRequest& request, const v1::DataSource& data,
                   v1::RunSettings& run) {
  if (request.eval_data.empty() && request.eval_every == 0 &&
      request.eval_sequences == 0)
    return;
  v1::EvaluationSettings& evaluation = *run.mutable_evaluation();
  evaluation.set_every_steps(request.eval_every);
  evaluation.set_max_sequences(request.eval_sequences);
  evaluation.mutable_data()->set_token_type(data.token_type());
  evaluation.mutable_data()->set_pack_documents(data.pack_documents());
  if (data.has_separator())
    evaluation.mutable_data()->set_separator(data.separator());
  if (!request.eval_data.empty())
    evaluation.mutable_data()->set_path(Absolute(request.eval_data));
}

// A path or a list of them.
absl::Status TakeData(json& object, const std::string& path,
                      std::vector<std::string>& data) {
  const auto found = object.find("data");
  if (found == object.end()) return absl::OkStatus();
  const json files = found->is_array() ? *found : json::array({*found});
  data.clear();
  for (const json& file : files) {
    if (!file.is_string()) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": \"data\" is no path and no list of paths: ", found->dump()));
    }
    data.push_back(file.get<std::string>());
  }
  object.erase(found);
  return absl::OkStatus();
}

// "PATH=0.7" of a file that is not there by that name.
v1::DataFile ParseDataFile(const std::string& text) {
  v1::DataFile file;
  std::error_code error;
  const size_t equals = text.rfind('=');
  double weight = 0;
  if (equals != std::string::npos && !std::filesystem::exists(text, error) &&
      absl::SimpleAtod(text.substr(equals + 1), &weight)) {
    file.set_weight(weight);
    file.set_path(Absolute(text.substr(0, equals)));
  } else {
    file.set_path(Absolute(text));
  }
  return file;
}

absl::Status SetData(const JobRequest& request, v1::DataSource& data) {
  if (request.separator < -1) {
    return absl::InvalidArgumentError(
        absl::StrCat("separator: ", request.separator, " is no id of a token"));
  }
  for (const std::string& text : request.data)
    *data.add_files() = ParseDataFile(text);
  if (data.files_size() == 1) {
    data.set_path(data.files(0).path());
    data.clear_files();
  }
  data.set_shuffle(!request.no_shuffle);
  data.set_pack_documents(request.pack_documents);
  if (request.separator >= 0) data.set_separator(request.separator);
  return absl::OkStatus();
}

}  // namespace

void AddJobFlags(CLI::App& command, JobRequest& request,
                 const std::string& output_flag, bool required) {
  command.add_option("--model", request.model, "Hugging Face model folder")
      ->required(required);
  command
      .add_option("--data", request.data,
                  "tokens: .bin, Megatron .bin with .idx, .npy, or .jsonl; "
                  "several files are mixed, by PATH=WEIGHT or by their sizes")
      ->allow_extra_args(false)
      ->required(required);
  command.add_option("--config", request.config, kConfigHelp)
      ->required(required);
  command.add_option("--slots", request.slots, "ranks: GPUs, or CPU slots")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--sequence-length", request.sequence_length,
                  "tokens in a sequence")
      ->required(required)
      ->check(CLI::PositiveNumber);
  command
      .add_option("--max-steps", request.max_steps,
                  "optimizer steps, those before a resume included")
      ->required(required)
      ->check(CLI::PositiveNumber);
  command
      .add_option(output_flag, request.output,
                  "folder for model/, checkpoints/ and logs/")
      ->required(required);
  command.add_option("--seed", request.seed,
                     "of the data's order and of random weights");
  command.add_flag(
      "--pack-documents", request.pack_documents,
      "positions restart and attention stays within each document");
  command
      .add_option("--separator", request.separator,
                  "id of the token that ends a document, to pack them")
      ->check(CLI::NonNegativeNumber);
  command.add_flag("--no-shuffle", request.no_shuffle,
                   "sequences in file order");
  command
      .add_option("--token-dtype", request.token_dtype,
                  "of a raw .bin file; default u16")
      ->check(CLI::IsMember({"u16", "u32"}));
  command.add_option("--init", request.init, "where the weights come from")
      ->check(CLI::IsMember({"pretrained", "random"}))
      ->capture_default_str();
  command
      .add_option("--checkpoint-every", request.checkpoint_every,
                  "steps between checkpoints; 0: only at the end")
      ->check(CLI::NonNegativeNumber);
  command
      .add_option("--keep-checkpoints", request.keep_checkpoints,
                  "newest checkpoints to keep; 0: all")
      ->check(CLI::NonNegativeNumber);
  command.add_flag("--resume", request.resume,
                   "go on from the newest checkpoint of the output folder");
  command
      .add_option("--export-dtype", request.export_dtype,
                  "of the trained model; default: as trained")
      ->check(CLI::IsMember({"fp32", "bf16", "fp16"}));
  command
      .add_option("--max-restarts", request.max_restarts,
                  "new attempts after a failure")
      ->check(CLI::NonNegativeNumber);
  AddNoDecayFlag(command, request);
  command.add_option("--eval-data", request.eval_data,
                     "held-out tokens, as --data: their loss after the last "
                     "step");
  command
      .add_option("--eval-every", request.eval_every,
                  "and after every so many steps; 0: only at the end")
      ->check(CLI::NonNegativeNumber);
  command
      .add_option("--eval-sequences", request.eval_sequences,
                  "of the held-out tokens, the first; 0: all")
      ->check(CLI::NonNegativeNumber);
  command
      .add_option("--target-loss", request.target_loss,
                  "end with the first step whose loss is at most this")
      ->check(CLI::PositiveNumber);
  command.add_flag("--sequence-parallel", request.sequence_parallel,
                   kSequenceParallelHelp);
  AddRecomputeFlag(command, request);
}

void AddRecomputeFlag(CLI::App& command, JobRequest& request) {
  command
      .add_option("--recompute", request.recompute,
                  "what the backward computes again instead of keeping it: "
                  "selective, what is cheap for its size; block, whole blocks; "
                  "default: none")
      ->check(CLI::IsMember({"none", "selective", "block"}));
}

void AddNoDecayFlag(CLI::App& command, JobRequest& request) {
  command
      .add_option("--no-decay", request.no_decay,
                  "re.match pattern of parameters without weight decay; may "
                  "be given several times")
      ->allow_extra_args(false);
}

absl::Status ReadJobFile(const std::string& path, JobRequest& request) {
  AUTOTP_ASSIGN_OR_RETURN(const std::string text, ReadText(path));
  json object = json::parse(text, nullptr, /*allow_exceptions=*/false,
                            /*ignore_comments=*/true);
  if (!object.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": not a JSON object; write {\"model\": ..., \"data\": ...}"));
  }
  JobRequest& r = request;
  for (const absl::Status& status :
       {Take(object, path, "model", r.model),
        TakeData(object, path, r.data),
        Take(object, path, "pack_documents", r.pack_documents),
        Take(object, path, "separator", r.separator),
        Take(object, path, "config", r.config),
        Take(object, path, "slots", r.slots),
        Take(object, path, "sequence_length", r.sequence_length),
        Take(object, path, "max_steps", r.max_steps),
        Take(object, path, "output", r.output),
        Take(object, path, "seed", r.seed),
        Take(object, path, "no_shuffle", r.no_shuffle),
        Take(object, path, "token_dtype", r.token_dtype),
        Take(object, path, "init", r.init),
        Take(object, path, "checkpoint_every", r.checkpoint_every),
        Take(object, path, "keep_checkpoints", r.keep_checkpoints),
        Take(object, path, "resume", r.resume),
        Take(object, path, "export_dtype", r.export_dtype),
        Take(object, path, "max_restarts", r.max_restarts),
        TakeTexts(object, path, "no_decay", r.no_decay),
        Take(object, path, "eval_data", r.eval_data),
        Take(object, path, "eval_every", r.eval_every),
        Take(object, path, "eval_sequences", r.eval_sequences),
        Take(object, path, "target_loss", r.target_loss),
        Take(object, path, "sequence_parallel", r.sequence_parallel),
        Take(object, path, "recompute", r.recompute)}) {
    AUTOTP_RETURN_IF_ERROR(status);
  }
  if (!object.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": unknown key \"", object.begin().key(),
        "\"; keys are the flags of `autotp submit` with underscores"));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::JobSpec> ToJobSpec(const JobRequest& request) {
  for (const auto& [flag, value] : {std::pair("model", request.model),
                                    std::pair("config", request.config)}) {
    if (value.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(flag, " is missing; give --", flag));
    }
  }
  if (request.init != "pretrained" && request.init != "random") {
    return absl::InvalidArgumentError(absl::StrCat(
        "init: \"", request.init, "\" is not one of pretrained, random"));
  }
  v1::JobSpec spec;
  AUTOTP_ASSIGN_OR_RETURN(const ConfigArgument config,
                          ReadConfigArgument(request.config));
  spec.set_config_json(config.text);
  spec.set_config_name(config.name);
  spec.mutable_model()->set_path(Absolute(request.model));
  spec.mutable_model()->set_initialization(
      request.init == "random" ? v1::ModelSource::INITIALIZATION_RANDOM
                               : v1::ModelSource::INITIALIZATION_PRETRAINED);
  AUTOTP_RETURN_IF_ERROR(SetData(request, *spec.mutable_data()));
  AUTOTP_ASSIGN_OR_RETURN(const auto token_type,
                          ParseTokenType(request.token_dtype));
  spec.mutable_data()->set_token_type(token_type);
  v1::RunSettings& run = *spec.mutable_run();
  run.set_max_steps(request.max_steps);
  run.set_sequence_length(request.sequence_length);
  run.set_seed(request.seed);
  for (const std::string& pattern : request.no_decay)
    run.add_undecayed_parameters(pattern);
  if (!request.output.empty()) run.set_output_path(Absolute(request.output));
  AUTOTP_ASSIGN_OR_RETURN(const v1::DataType export_dtype,
                          ParseDataType(request.export_dtype));
  run.set_export_dtype(export_dtype);
  SetEvaluation(request, spec.data(), run);
  run.set_target_loss(request.target_loss);
  run.set_sequence_parallel(request.sequence_parallel);
  AUTOTP_ASSIGN_OR_RETURN(const v1::Recomputation recomputation,
                          ParseRecomputation(request.recompute));
  run.set_recomputation(recomputation);
  spec.mutable_checkpoint()->set_every_steps(request.checkpoint_every);
  spec.mutable_checkpoint()->set_keep_latest(request.keep_checkpoints);
  spec.mutable_checkpoint()->set_resume(request.resume);
  spec.set_world_size(request.slots);
  spec.set_max_restarts(request.max_restarts);
  return spec;
}

}  // namespace autotp::cli
