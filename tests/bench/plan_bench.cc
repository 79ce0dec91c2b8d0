// How long a plan takes: ValidateJob's work for llamas of 8B and 405B
// parameters, from config.json and the headers of the weights, and the
// partition alone at many ranks.
//
// Weight files are holes with headers, so that they cost no disk. Each figure
// is the median of several rounds, in processor time, which on an idle machine
// is the time that a user waits: planning is one thread that computes; beside
// it stands how long nlohmann::json takes for the same headers in the same run,
// which is the limit that a machine sets. With a folder as its argument: the
// same of an imported model, beside its reading and raising alone.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "coordinator/model/model.h"
#include "coordinator/partition/partition.h"
#include "coordinator/planner/planner.h"
#include "proto/support/check.h"
#include "tests/support/temp_dir.h"

namespace autotp {
namespace {

using nlohmann::json;

constexpr int kRounds = 15;

struct Llama {
  std::string name;
  int64_t hidden, layers, heads, key_heads, intermediate, vocabulary;
  int shards;
};

constexpr int64_t kHeadWidth = 128;

json ConfigOf(const Llama& model) {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"hidden_act", "silu"},
          {"hidden_size", model.hidden},
          {"num_hidden_layers", model.layers},
          {"num_attention_heads", model.heads},
          {"num_key_value_heads", model.key_heads},
          {"head_dim", kHeadWidth},
          {"intermediate_size", model.intermediate},
          {"vocab_size", model.vocabulary},
          {"max_position_embeddings", 8192},
          {"initializer_range", 0.02},
          {"rms_norm_eps", 1e-5},
          {"rope_theta", 500000.0},
          {"tie_word_embeddings", false}};
}

using Weight = std::pair<std::string, std::vector<int64_t>>;

std::vector<Weight> WeightsOf(const Llama& model) {
  const int64_t width = model.hidden;
  const int64_t q = model.heads * kHeadWidth;
  const int64_t kv = model.key_heads * kHeadWidth;
  std::vector<Weight> weights = {
      {"model.embed_tokens.weight", {model.vocabulary, width}}};
  for (int64_t i = 0; i < model.layers; ++i) {
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    for (const Weight& weight : std::vector<Weight>{
             {"self_attn.q_proj.weight", {q, width}},
             {"self_attn.k_proj.weight", {kv, width}},
             {"self_attn.v_proj.weight", {kv, width}},
             {"self_attn.o_proj.weight", {width, q}},
             {"mlp.gate_proj.weight", {model.intermediate, width}},
             {"mlp.up_proj.weight", {model.intermediate, width}},
             {"mlp.down_proj.weight", {width, model.intermediate}},
             {"input_layernorm.weight", {width}},
             {"post_attention_layernorm.weight", {width}}})
      weights.emplace_back(layer + weight.first, weight.second);
  }
  weights.push_back({"model.norm.weight", {width}});
  weights.push_back({"lm_head.weight", {model.vocabulary, width}});
  return weights;
}

// Writes the folder; returns the JSON texts that planning it has to parse.
std::vector<std::string> WriteModel(const Llama& model,
                                    const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  std::vector<std::string> texts = {ConfigOf(model).dump(1)};
  std::ofstream(folder / "config.json") << texts[0];
  const std::vector<Weight> weights = WeightsOf(model);
  json map = json::object();
  for (int shard = 0; shard < model.shards; ++shard) {
    const std::string file = "model-" + std::to_string(shard) + ".safetensors";
    json header = json::object();
    int64_t end = 0;
    for (size_t i = weights.size() * shard / model.shards;
         i < weights.size() * (shard + 1) / model.shards; ++i) {
      int64_t bytes = 2;  // bf16
      for (const int64_t size : weights[i].second) bytes *= size;
      header[weights[i].first] = {{"dtype", "BF16"},
                                  {"shape", weights[i].second},
                                  {"data_offsets", {end, end + bytes}}};
      end += bytes;
      map[weights[i].first] = file;
    }
    texts.push_back(header.dump());
    std::ofstream out(folder / file, std::ios::binary);
    const uint64_t length = texts.back().size();
    for (int i = 0; i < 8; ++i)
      out.put(static_cast<char>(length >> (8 * i) & 0xff));
    out << texts.back();
    out.close();
    std::filesystem::resize_file(folder / file,
                                 8 + length + static_cast<uint64_t>(end));
  }
  texts.push_back(json{{"weight_map", map}}.dump());
  std::ofstream(folder / "model.safetensors.index.json") << texts.back();
  return texts;
}

double ProcessorMilliseconds() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 +
         static_cast<double>(now.tv_nsec) / 1e6;
}

double MedianMilliseconds(const std::function<void()>& work) {
  std::vector<double> rounds;
  for (int i = 0; i < kRounds; ++i) {
    const double start = ProcessorMilliseconds();
    work();
    rounds.push_back(ProcessorMilliseconds() - start);
  }
  std::nth_element(rounds.begin(), rounds.begin() + kRounds / 2, rounds.end());
  return rounds[kRounds / 2];
}

v1::JobSpec JobOf(const std::filesystem::path& folder, int world, int tensor) {
  v1::JobSpec spec;
  spec.set_config_json(json{{"train_batch_size", world},
                            {"train_micro_batch_size_per_gpu", 1},
                            {"bf16", {{"enabled", true}}},
                            {"zero_optimization", {{"stage", 1}}},
                            {"tensor_parallel", {{"autotp_size", tensor}}}}
                           .dump());
  spec.set_world_size(world);
  spec.mutable_model()->set_path(folder.string());
  spec.mutable_run()->set_sequence_length(4096);
  return spec;
}

void Validate(const Llama& model, int world, int tensor, double goal) {
  const testing::TempDir folder;
  const std::vector<std::string> texts = WriteModel(model, folder.path());
  const v1::JobSpec spec = JobOf(folder.path(), world, tensor);
  const double plan = MedianMilliseconds([&] {
    const planner::PlanResult result =
        planner::MakePlan(spec, {.check_run_settings = false});
    AUTOTP_CHECK(result.valid);
  });
  size_t bytes = 0;
  for (const std::string& text : texts) bytes += text.size();
  const double parse = MedianMilliseconds([&] {
    for (const std::string& text : texts)
      AUTOTP_CHECK(json::parse(text).is_object());
  });
  std::printf(
      "validate %-5s TP %-2d %5zu weights %6.1f ms  (goal %.0f)  %5.1f x the "
      "%.2f ms that nlohmann takes for its %zu KB of JSON (%.0f MB/s)\n",
      model.name.c_str(), tensor, WeightsOf(model).size(), plan, goal,
      plan / parse, parse, bytes >> 10,
      static_cast<double>(bytes) / 1e3 / parse);
}

void Partition(const Llama& model, int tensor, double goal) {
  const testing::TempDir folder;
  WriteModel(model, folder.path());
  const auto loaded = model::LoadModel({.path = folder.path().string(),
                                        .sequence_length = 4096,
                                        .need_weights = false});
  AUTOTP_CHECK(loaded.ok());
  partition::PartitionOptions options;
  options.tensor_parallel_size = tensor;
  const double all = MedianMilliseconds([&] {
    AUTOTP_CHECK(partition::Partition(loaded->program, options).ok());
  });
  // As the planner asks; it makes one local program after the other.
  options.fullest_only = true;
  const double cut = MedianMilliseconds([&] {
    AUTOTP_CHECK(partition::Partition(loaded->program, options).ok());
  });
  const v1::JobSpec spec = JobOf(folder.path(), tensor, tensor);
  const double plan = MedianMilliseconds([&] {
    AUTOTP_CHECK(planner::MakePlan(spec, {.check_run_settings = false}).valid);
  });
  std::printf(
      "partition %-5s %3ld layers TP %-2d %6.1f ms  (goal %.0f), with every "
      "local program at once %.1f ms, the whole plan %.1f ms\n",
      model.name.c_str(), static_cast<long>(model.layers), tensor, cut, goal,
      all, plan);
}

void Imported(const std::string& folder) {
  const double load = MedianMilliseconds([&] {
    AUTOTP_CHECK(
        model::LoadModel(
            {.path = folder, .sequence_length = 2048, .need_weights = false})
            .ok());
  });
  v1::JobSpec spec = JobOf(folder, 8, 8);
  spec.mutable_model()->set_initialization(
      v1::ModelSource::INITIALIZATION_RANDOM);
  spec.mutable_run()->set_sequence_length(2048);
  const double plan = MedianMilliseconds([&] {
    AUTOTP_CHECK(planner::MakePlan(spec, {.check_run_settings = false}).valid);
  });
  std::printf(
      "  its program file read and raised   %.1f ms, planned for TP 8 %.1f ms  "
      "(goal 1000)\n",
      load, plan);
}

}  // namespace
}  // namespace autotp

int main(int argc, char** argv) {
  if (argc > 1) {
    autotp::Imported(argv[1]);
    return EXIT_SUCCESS;
  }
  const autotp::Llama small{"8B", 4096, 32, 32, 8, 14336, 128256, 4};
  const autotp::Llama large{"405B", 16384, 126, 128, 8, 53248, 128256, 191};
  autotp::Llama wide = small;
  wide.name = "8B/64";
  wide.heads = 64;
  wide.key_heads = 64;
  autotp::Validate(small, 8, 8, 50);
  autotp::Validate(large, 16, 8, 250);
  autotp::Partition(wide, 64, 50);
  return EXIT_SUCCESS;
}
