// Safetensors headers, indexes, and how parameters find their tensors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "coordinator/model/finding.h"
#include "coordinator/model/huggingface/safetensors_header.h"
#include "tests/unit/coordinator/model/tiny_folder.h"

namespace autotp::model {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string HeaderError(const std::string& header, int64_t data_bytes) {
  return std::string(ParseSafetensorsHeader("w.safetensors", header, data_bytes)
                         .status()
                         .message());
}

TEST(SafetensorsHeaderTest, ReadsTensorsInAnyOrder) {
  const absl::StatusOr<StoredTensors> tensors =
      ParseSafetensorsHeader("w",
                             R"({"__metadata__":{"format":"pt"},
          "b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},
          "a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},
          "none":{"dtype":"F32","shape":[0,7],"data_offsets":[4,4]}}   )",
                             16);
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  EXPECT_THAT(*tensors, SizeIs(3));
  EXPECT_EQ(tensors->at("b").begin, 4);
  EXPECT_EQ(tensors->at("b").dtype, "BF16");
}

TEST(SafetensorsHeaderTest, RefusesWhatTheFormatForbids) {
  const auto one = [](const std::string& fields) {
    return "{\"t\":{" + fields + "}}";
  };
  const auto tensor = [&one](const std::string& dtype, const std::string& shape,
                             const std::string& offsets) {
    return one("\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
               ",\"data_offsets\":" + offsets);
  };
  EXPECT_EQ(HeaderError(tensor("F32", "[2]", "[0,8]"), 8), "");
  struct Case {
    std::string header;
    int64_t data;
    std::string error;
  };
  const std::vector<Case> cases = {
      {" {}", 0, "does not begin with '{'"},
      {"{", 0, "not valid JSON"},
      {"{\"t\":1}", 0, "tensor 't' needs dtype"},
      {one("\"dtype\":\"F32\",\"shape\":[1]"), 4, "tensor 't' needs dtype"},
      {tensor("F31", "[2]", "[0,8]"), 8, "dtype 'F31', which is unknown"},
      {tensor("F32", "[-2]", "[0,8]"), 8, "a shape that is no list"},
      {tensor("F32", "[2.0]", "[0,8]"), 8, "a shape that is no list"},
      {tensor("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]"), 8, "at most 8"},
      {tensor("F32", "[9223372036854775807,2]", "[0,8]"), 8,
       "takes 8 bytes, but its shape"},
      {tensor("F32", "[3]", "[0,8]"), 8, "takes 8 bytes, but its shape [3]"},
      {tensor("F4", "[3]", "[0,1]"), 1, "takes 1 bytes"},
      {tensor("F32", "[2]", "[8,0]"), 8, "no begin and end"},
      {tensor("F32", "[2]", "[0,8]"), 7,
       "tensor 't' ends at byte 8, but only 7"},
      {tensor("F32", "[2]", "[0,8]"), 9, "9 bytes of data are there"},
      {tensor("F32", "[2]", "[4,12]"), 12, "describes the bytes from 0 to 4"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},
           "b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
       6, "tensor 'b' at byte 2 overlaps tensor 'a', which ends at 4"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},
           "a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
       1, "'a' appears twice"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.header);
    const std::string error = HeaderError(c.header, c.data);
    EXPECT_THAT(error, HasSubstr(c.error));
    EXPECT_THAT(error, HasSubstr("w.safetensors"));
  }
}

TEST(SafetensorsHeaderTest, FindsTruncatedFiles) {
  const autotp::testing::TempDir dir;
  const std::string whole = Safetensors({{"a", {2, 3}}, {"b", {4}}});
  const auto read = [&dir](const std::string& bytes) {
    WriteFile(dir / "w.safetensors", bytes);
    return ReadSafetensorsHeader(dir / "w.safetensors");
  };
  ASSERT_TRUE(read(whole).ok());
  for (size_t kept = 0; kept < whole.size(); kept += 3) {
    const absl::Status status = read(whole.substr(0, kept)).status();
    ASSERT_FALSE(status.ok()) << kept << " of " << whole.size() << " bytes";
    EXPECT_THAT(std::string(status.message()), HasSubstr("truncated")) << kept;
  }
  ASSERT_FALSE(read(whole.substr(0, whole.size() - 1)).ok());
  std::string huge = whole;
  huge[6] = '\x01';
  EXPECT_THAT(std::string(read(huge).status().message()),
              HasSubstr("no safetensors file"));
  EXPECT_EQ(ReadSafetensorsHeader(dir / "absent").status().code(),
            absl::StatusCode::kNotFound);
}

TEST(SafetensorsHeaderTest, SurvivesDamage) {
  const std::string whole = Safetensors({{"a", {2, 3}}, {"b", {4}}});
  const std::string header = whole.substr(8, whole.size() - 8 - 40);
  ASSERT_TRUE(ParseSafetensorsHeader("w", header, 40).ok());
  constexpr char kBytes[] = "0123456789-.e{}[],:\"\\ FU\xff";
  int refused = 0;
  for (unsigned seed = 0; seed < 2000; ++seed) {
    std::minstd_rand random(seed);
    std::string text = header;
    for (unsigned change = 0; change <= seed % 3; ++change)
      text[random() % text.size()] = kBytes[random() % (sizeof(kBytes) - 1)];
    const absl::StatusOr<StoredTensors> tensors =
        ParseSafetensorsHeader("w", text, 40);
    if (!tensors.ok()) {
      ++refused;
      continue;
    }
    int64_t bytes = 0;
    for (const auto& [name, tensor] : *tensors)
      bytes += tensor.end - tensor.begin;
    EXPECT_EQ(bytes, 40) << seed << ": " << text;
  }
  EXPECT_GT(refused, 1000);
}

v1::Diagnostic WeightsFinding(const TinyFolder& folder) {
  const absl::StatusOr<LoadedModel> model = folder.Load(true);
  return model.ok() ? v1::Diagnostic() : ToDiagnostic(model.status());
}

TEST(WeightMatchTest, FindsEveryTensor) {
  const TinyFolder folder;
  TensorShapes shapes = folder.Shapes();
  shapes["model.layers.0.self_attn.rotary_emb.inv_freq"] = {2};
  folder.WriteWeights(shapes);
  const absl::StatusOr<LoadedModel> model = folder.Load(true);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(Warnings(*model), IsEmpty());
  EXPECT_EQ(model->program.parameters[0].source_file,
            folder / "model.safetensors");
}

TEST(WeightMatchTest, NamesWhatIsMissing) {
  const TinyFolder folder;
  TensorShapes shapes = folder.Shapes();
  shapes.erase("model.layers.1.mlp.up_proj.weight");
  folder.WriteWeights(shapes);
  const v1::Diagnostic finding = WeightsFinding(folder);
  EXPECT_EQ(finding.reason(), "WEIGHTS_INCOMPLETE");
  EXPECT_THAT(finding.message(),
              HasSubstr("lacks 1 of the model's tensors: "
                        "model.layers.1.mlp.up_proj.weight"));

  shapes = folder.Shapes();
  shapes.erase("lm_head.weight");
  folder.WriteWeights(shapes);
  EXPECT_THAT(WeightsFinding(folder).suggestion(),
              HasSubstr("'tie_word_embeddings'"));
}

TEST(WeightMatchTest, NamesWrongShapesAndDtypes) {
  const TinyFolder folder;
  TensorShapes shapes = folder.Shapes();
  shapes["model.norm.weight"] = {17};
  folder.WriteWeights(shapes);
  v1::Diagnostic finding = WeightsFinding(folder);
  EXPECT_EQ(finding.reason(), "WEIGHTS_SHAPE_MISMATCH");
  EXPECT_EQ(finding.file(), folder / "model.safetensors");
  EXPECT_THAT(finding.message(),
              HasSubstr("'model.norm.weight' has shape [17], config.json "
                        "makes it [16]"));

  std::string bytes = Safetensors(folder.Shapes());
  for (size_t at = bytes.find("F32"); at != bytes.npos; at = bytes.find("F32"))
    bytes.replace(at, 3, "I32");
  WriteFile(folder / "model.safetensors", bytes);
  finding = WeightsFinding(folder);
  EXPECT_EQ(finding.reason(), "WEIGHTS_DTYPE_UNSUPPORTED");
  EXPECT_THAT(finding.message(), HasSubstr("stored as I32"));
}

TEST(WeightMatchTest, WarnsAboutTensorsThatNothingTakes) {
  const TinyFolder folder;
  TensorShapes shapes = folder.Shapes();
  for (int i = 0; i < 6; ++i) shapes["vision." + std::to_string(i)] = {1};
  folder.WriteWeights(shapes);
  const absl::StatusOr<LoadedModel> model = folder.Load(true);
  ASSERT_TRUE(model.ok()) << model.status();
  ASSERT_THAT(Warnings(*model), SizeIs(1));
  EXPECT_EQ(model->warnings[0].reason(), "WEIGHTS_UNUSED");
  EXPECT_THAT(model->warnings[0].message(), HasSubstr("vision.3 and 2 more"));
}

TEST(WeightMatchTest, TiedHeadsMayBeStoredEitherWay) {
  nlohmann::json config = TinyLlamaConfig();
  config["tie_word_embeddings"] = true;
  const TinyFolder folder(config);
  const TensorShapes shapes = folder.Shapes();

  TensorShapes both = shapes;
  both["lm_head.weight"] = {24, 16};
  folder.WriteWeights(both);
  absl::StatusOr<LoadedModel> model = folder.Load(true);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->program.parameters[0].source_tensor,
            "model.embed_tokens.weight");
  ASSERT_THAT(Warnings(*model), SizeIs(1));
  EXPECT_THAT(model->warnings[0].message(), HasSubstr("a second time"));

  both.erase("model.embed_tokens.weight");
  folder.WriteWeights(both);
  model = folder.Load(true);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->program.parameters[0].source_tensor, "lm_head.weight");

  TensorShapes bare;  // saved as the base model, without its prefix
  for (const auto& [name, shape] : shapes) bare[name.substr(6)] = shape;
  folder.WriteWeights(bare);
  model = folder.Load(true);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->program.parameters[1].source_tensor,
            "layers.0.input_layernorm.weight");
}

TEST(WeightFilesTest, ReadsShardsThroughTheIndex) {
  const TinyFolder folder;
  const TensorShapes shapes = folder.Shapes();
  TensorShapes parts[2];
  nlohmann::json map;
  for (const auto& [name, shape] : shapes) {
    const int part = name < "model.layers.1" ? 0 : 1;
    parts[part][name] = shape;
    map[name] = part == 0 ? "a.safetensors" : "b.safetensors";
  }
  const auto write_index = [&folder](const nlohmann::json& weight_map) {
    WriteFile(folder / "model.safetensors.index.json",
              nlohmann::json{{"weight_map", weight_map}}.dump());
  };
  WriteFile(folder / "a.safetensors", Safetensors(parts[0]));
  WriteFile(folder / "b.safetensors", Safetensors(parts[1]));
  write_index(map);
  const absl::StatusOr<LoadedModel> model = folder.Load(true);
  ASSERT_TRUE(model.ok()) << model.status();

  nlohmann::json changed = map;
  changed["model.norm.weight"] = "../b.safetensors";
  write_index(changed);
  EXPECT_THAT(WeightsFinding(folder).message(),
              HasSubstr("to no safetensors file beside it"));
  changed["model.norm.weight"] = "a.safetensors";
  write_index(changed);
  EXPECT_THAT(WeightsFinding(folder).message(),
              HasSubstr("to a.safetensors, which does not hold it"));
  changed["model.norm.weight"] = "c.safetensors";
  write_index(changed);
  EXPECT_EQ(WeightsFinding(folder).file(), folder / "c.safetensors");
  write_index(nlohmann::json::object());
  EXPECT_THAT(WeightsFinding(folder).message(), HasSubstr("no 'weight_map'"));

  write_index(map);
  parts[1]["model.embed_tokens.weight"] = {24, 16};
  WriteFile(folder / "b.safetensors", Safetensors(parts[1]));
  EXPECT_THAT(WeightsFinding(folder).message(),
              HasSubstr("'model.embed_tokens.weight' is also in"));
}

TEST(WeightFilesTest, RefusesPickledWeights) {
  const TinyFolder folder;
  EXPECT_EQ(WeightsFinding(folder).reason(), "WEIGHTS_MISSING");
  WriteFile(folder / "pytorch_model.bin", "x");
  EXPECT_THAT(WeightsFinding(folder).message(), HasSubstr("pickled"));
}

}  // namespace
}  // namespace autotp::model
