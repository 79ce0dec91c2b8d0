// tiny_folder.h -- makes small Hugging Face folders for tests.
#ifndef AUTOTP_TESTS_UNIT_COORDINATOR_MODEL_TINY_FOLDER_H_
#define AUTOTP_TESTS_UNIT_COORDINATOR_MODEL_TINY_FOLDER_H_

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "coordinator/model/model.h"
#include "tests/support/temp_dir.h"

namespace autotp::model {

using TensorShapes = std::map<std::string, std::vector<int64_t>>;

// A llama with 2 layers, hidden 16, 4 heads, 2 key and value heads.
inline nlohmann::json TinyLlamaConfig() {
  return {{"model_type", "llama"},    {"vocab_size", 24},
          {"hidden_size", 16},        {"intermediate_size", 20},
          {"num_hidden_layers", 2},   {"num_attention_heads", 4},
          {"num_key_value_heads", 2}, {"max_position_embeddings", 64},
          {"rms_norm_eps", 1e-5},     {"torch_dtype", "float32"}};
}

inline std::vector<std::string> Warnings(const LoadedModel& model) {
  std::vector<std::string> messages;
  for (const v1::Diagnostic& warning : model.warnings)
    messages.push_back(warning.message());
  return messages;
}

inline void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary);
  out << bytes;
  ASSERT_TRUE(out.flush().good()) << path;
}

// Length, header and data as one text.
inline std::string WithHeader(const std::string& header, size_t data_bytes) {
  std::string bytes;
  for (int i = 0; i < 8; ++i)
    bytes.push_back(static_cast<char>(header.size() >> (8 * i)));
  return bytes + header + std::string(data_bytes, '\0');
}

// A safetensors file of zeros in fp32.
inline std::string Safetensors(const TensorShapes& shapes) {
  nlohmann::json header = nlohmann::json::object();
  header["__metadata__"] = {{"format", "pt"}};
  size_t at = 0;
  for (const auto& [name, shape] : shapes) {
    size_t bytes = 4;
    for (int64_t dim : shape) bytes *= static_cast<size_t>(dim);
    header[name] = {
        {"dtype", "F32"}, {"shape", shape}, {"data_offsets", {at, at + bytes}}};
    at += bytes;
  }
  return WithHeader(header.dump(), at);
}

// A folder with a config.json and the weights that it asks for.
class TinyFolder {
 public:
  explicit TinyFolder(const nlohmann::json& config = TinyLlamaConfig()) {
    WriteFile(dir_ / "config.json", config.dump(2));
  }

  std::string path() const { return dir_.path().string(); }
  std::string operator/(const std::string& name) const { return dir_ / name; }

  absl::StatusOr<LoadedModel> Load(bool need_weights) const {
    return LoadModel({.path = path(),
                      .micro_batch = 2,
                      .sequence_length = 8,
                      .need_weights = need_weights});
  }

  // All tensors of the program.
  TensorShapes Shapes() const {
    TensorShapes shapes;
    const absl::StatusOr<LoadedModel> model = Load(false);
    EXPECT_TRUE(model.ok()) << model.status();
    if (!model.ok()) return shapes;
    for (const program::Parameter& parameter : model->program.parameters)
      shapes[parameter.name] = parameter.shape;
    return shapes;
  }

  void WriteWeights(const TensorShapes& shapes) const {
    WriteFile(dir_ / "model.safetensors", Safetensors(shapes));
  }

 private:
  testing::TempDir dir_;
};

}  // namespace autotp::model

#endif  // AUTOTP_TESTS_UNIT_COORDINATOR_MODEL_TINY_FOLDER_H_
