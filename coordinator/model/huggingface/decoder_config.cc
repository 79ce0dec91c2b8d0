// Reads the keys that decoder-only families share. See decoder.h.
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/model/huggingface/decoder.h"

namespace autotp::model {
namespace {

constexpr int64_t kMostLayers = 4096;
constexpr int64_t kMostHeads = 65536;
constexpr int64_t kMostHeadWidth = 65536;

std::string ReadActivation(ConfigReader& config) {
  const std::string name = config.Text("hidden_act", "silu");
  constexpr std::pair<absl::string_view, absl::string_view> kKnown[] = {
      {"silu", "silu"},           {"swish", "silu"},
      {"gelu", "gelu"},           {"gelu_new", "gelu_tanh"},
      {"gelu_fast", "gelu_tanh"}, {"gelu_pytorch_tanh", "gelu_tanh"},
      {"relu", "relu"},
  };
  for (const auto& [key, kind] : kKnown)
    if (key == name) return std::string(kind);
  config.Fail("hidden_act", absl::StrCat("is '", name, "', which is unknown"),
              "known are silu, swish, gelu, gelu_new, gelu_fast, "
              "gelu_pytorch_tanh and relu");
  return "silu";
}

void ReadHeads(ConfigReader& config, const DecoderDefaults& defaults,
               DecoderSizes* sizes) {
  sizes->heads = config.Size("num_attention_heads", defaults.heads, kMostHeads);
  // The class default stands for an absent key only where it fits the heads
  // that the file gives.
  const int64_t groups = defaults.key_value_heads;
  const bool fits = groups > 0 && sizes->heads % groups == 0 &&
                    !config.IsNull("num_key_value_heads");
  sizes->key_value_heads = config.Size(
      "num_key_value_heads", fits ? groups : sizes->heads, kMostHeads);
  if (sizes->heads % sizes->key_value_heads != 0) {
    config.Fail("num_key_value_heads",
                absl::StrCat("is ", sizes->key_value_heads,
                             ", which does not divide num_attention_heads ",
                             sizes->heads));
  }
  sizes->head_width = defaults.head_width;
  if (config.Has("head_dim")) {
    sizes->head_width = config.Size("head_dim", 1, kMostHeadWidth);
  } else if (sizes->head_width == 0) {
    if (sizes->hidden % sizes->heads != 0) {
      config.Fail(
          "num_attention_heads",
          absl::StrCat("is ", sizes->heads,
                       ", which does not divide hidden_size ", sizes->hidden),
          "correct one of them or give 'head_dim'");
    }
    sizes->head_width = sizes->hidden / sizes->heads;
  }
  if (sizes->head_width < 2 || sizes->head_width % 2 != 0) {
    config.Fail(config.Has("head_dim") ? "head_dim" : "num_attention_heads",
                absl::StrCat("makes heads ", sizes->head_width,
                             " wide, rotary embeddings need an even width"));
    sizes->head_width = 2;
  }
  if (sizes->heads * sizes->head_width > kLargestWidth) {
    config.Fail("num_attention_heads",
                absl::StrCat("heads of ", sizes->head_width,
                             " are wider together than ", kLargestWidth));
    sizes->head_width = 2;
  }
}

void ReadPadding(ConfigReader& config, DecoderSizes* sizes) {
  const std::optional<int64_t> id = config.Integer("pad_token_id");
  if (!id.has_value()) return;
  // As torch.nn.Embedding: negative ids count from the end.
  if (*id < -sizes->vocabulary || *id >= sizes->vocabulary) {
    config.Fail("pad_token_id",
                absl::StrCat("is ", *id, ", outside the vocabulary of ",
                             sizes->vocabulary));
    return;
  }
  sizes->padding_idx = *id < 0 ? *id + sizes->vocabulary : *id;
}

void Warn(ConfigReader& config, const DecoderSizes& sizes, int64_t positions,
          std::vector<v1::Diagnostic>* warnings) {
  if (config.Number("attention_dropout", 0) != 0) {
    warnings->push_back(
        config.Warning("attention_dropout", "has no effect here yet",
                       "training runs without dropout, set it to 0 to say so"));
  }
  if (sizes.input.tokens > positions) {
    warnings->push_back(config.Warning(
        "max_position_embeddings",
        absl::StrCat("is ", positions, ", shorter than the sequences of ",
                     sizes.input.tokens, " tokens"),
        "use shorter sequences or set rope scaling"));
  }
}

}  // namespace

DecoderSizes ReadDecoderSizes(ConfigReader& config, const InputShape& input,
                              const DecoderDefaults& defaults,
                              std::vector<v1::Diagnostic>* warnings) {
  DecoderSizes sizes;
  sizes.input = input;
  sizes.vocabulary =
      config.Size("vocab_size", defaults.vocabulary, kLargestWidth);
  sizes.hidden = config.Size("hidden_size", defaults.hidden, kLargestWidth);
  sizes.intermediate =
      config.Size("intermediate_size", defaults.intermediate, kLargestWidth);
  sizes.layers = config.Size("num_hidden_layers", defaults.layers, kMostLayers);
  ReadHeads(config, defaults, &sizes);
  ReadPadding(config, &sizes);
  sizes.norm_eps = config.Number("rms_norm_eps", 1e-6);
  if (!(sizes.norm_eps > 0)) config.Fail("rms_norm_eps", "has to be positive");
  sizes.standard_deviation = config.Number("initializer_range", 0.02);
  if (!(sizes.standard_deviation >= 0))
    config.Fail("initializer_range", "must not be negative");
  sizes.activation = ReadActivation(config);
  sizes.tied = config.Flag("tie_word_embeddings", defaults.tied);
  const int64_t positions =
      config.Size("max_position_embeddings", defaults.positions);
  sizes.rotary = ReadRotary(config, 10000, positions);
  Warn(config, sizes, positions, warnings);
  return sizes;
}

std::vector<int64_t> ReadLayerWindows(ConfigReader& config, int64_t layers) {
  std::vector<int64_t> windows(static_cast<size_t>(layers), 0);
  // Without use_sliding_window the size is there, but does not count.
  const bool use = config.Flag("use_sliding_window", false) &&
                   !config.IsNull("sliding_window");
  const int64_t window = use ? config.Size("sliding_window", 4096) : 0;
  if (!config.Has("layer_types")) {
    const std::optional<int64_t> whole = config.Integer("max_window_layers");
    for (int64_t i = whole.value_or(28); use && i < layers; ++i)
      if (i >= 0) windows[static_cast<size_t>(i)] = window;
    return windows;
  }
  const std::vector<std::string> types = config.Texts("layer_types");
  if (config.status().ok() && types.size() != windows.size()) {
    config.Fail(
        "layer_types",
        absl::StrCat("has ", types.size(), " entries for ", layers, " layers"));
    return windows;
  }
  for (size_t i = 0; i < types.size() && i < windows.size(); ++i) {
    if (types[i] == "full_attention") continue;
    if (types[i] != "sliding_attention") {
      config.Fail("layer_types",
                  absl::StrCat("has '", types[i], "', which is unknown"),
                  "known are full_attention and sliding_attention");
      return windows;
    }
    if (window == 0) {
      config.Fail("layer_types",
                  "has sliding_attention, but no window is in use",
                  "set 'use_sliding_window' to true and 'sliding_window'");
      return windows;
    }
    windows[i] = window;
  }
  return windows;
}

}  // namespace autotp::model
