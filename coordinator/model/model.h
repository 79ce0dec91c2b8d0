// model.h -- a model folder becomes a program, and what else its files say.
//
// Flow: planner/ -> LoadModel() -> huggingface/ reads config.json and the
// safetensors headers, a family builds the program -> plan/, partition/.
//
// Reads headers only, never a tensor, and writes nothing. Any thread.
#ifndef AUTOTP_COORDINATOR_MODEL_MODEL_H_
#define AUTOTP_COORDINATOR_MODEL_MODEL_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "autotp/v1/common.pb.h"
#include "coordinator/program/program.h"

namespace autotp::model {

struct ModelRequest {
  std::string path;  // folder with config.json
  int64_t micro_batch = 1;
  int64_t sequence_length = 0;  // tokens
  bool pack_documents = false;  // attention stays within each document
  // False: weights will be drawn at random; safetensors files are not looked
  // for and the parameters have no source.
  bool need_weights = true;
};

// Pattern and style, in the file's order. The patterns may lack the prefix of
// the base model ("model").
struct TpPlanText {
  std::string json_pointer;
  std::vector<std::pair<std::string, std::string>> entries;
};

struct LoadedModel {
  program::Program program;  // sources: absolute paths
  std::string model_type;    // "llama"
  int64_t vocabulary_size = 0;
  int64_t attention_heads = 0;
  int64_t key_value_heads = 0;
  int64_t head_width = 0;

  // config.json's own tensor-parallel plans: at the top and of the text model,
  // which may be a section of its own.
  std::vector<TpPlanText> tp_plans;
  std::string base_model_prefix;

  std::string config_json;  // its text, byte for byte
  // Files that a trained model needs beside config.json and weights:
  // tokenizer, generation_config.json and the like. Absolute, sorted.
  std::vector<std::string> copied_files;
  std::vector<v1::Diagnostic> warnings;
};

// INVALID_ARGUMENT or NOT_FOUND; ToDiagnostic (finding.h) gives file, line and
// column of what is wrong.
absl::StatusOr<LoadedModel> LoadModel(const ModelRequest& request);

// What its "dtype" or "torch_dtype" says; unspecified: nothing, or another.
// REQUIRES: the config_json of a LoadedModel.
v1::DataType DtypeOf(absl::string_view config_json);

// `config_json` with the values of its "dtype" and "torch_dtype" keys replaced
// by `dtype` ("float32"); all other bytes stay, keys that are absent too.
// REQUIRES: the config_json of a LoadedModel.
std::string WithDtype(absl::string_view config_json, absl::string_view dtype);

// Values of model_type that LoadModel knows, sorted.
std::vector<std::string> KnownModelTypes();

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_MODEL_H_
