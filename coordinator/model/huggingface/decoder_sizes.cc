#include "coordinator/model/huggingface/decoder_sizes.h"

#include <optional>

#include "absl/strings/str_cat.h"

namespace autotp::model {
namespace {

constexpr int64_t kMostLayers = 4096;
constexpr int64_t kMostHeads = 65536;
constexpr int64_t kMostHeadWidth = 65536;

void ReadHeads(ConfigReader& config, const DecoderDefaults& defaults,
               DecoderSizes* sizes) {
  const DecoderKeys usual;
  const absl::string_view heads_key =
      KeyInUse(config, defaults.keys.heads, usual.heads);
  sizes->heads = config.Size(heads_key, defaults.heads, kMostHeads);
  sizes->key_value_heads = sizes->heads;
  if (const absl::string_view key = defaults.keys.key_value_heads;
      !key.empty()) {
    // The class default stands for an absent key only where it fits the heads
    // that the file gives.
    const int64_t groups = defaults.key_value_heads;
    const bool fits =
        groups > 0 && sizes->heads % groups == 0 && !config.IsNull(key);
    sizes->key_value_heads =
        config.Size(key, fits ? groups : sizes->heads, kMostHeads);
    if (sizes->heads % sizes->key_value_heads != 0) {
      config.Fail(key, absl::StrCat("is ", sizes->key_value_heads,
                                    ", which does not divide ", heads_key, " ",
                                    sizes->heads));
    }
  }
  sizes->head_width = defaults.head_width;
  if (config.Has("head_dim")) {
    sizes->head_width = config.Size("head_dim", 1, kMostHeadWidth);
  } else if (sizes->head_width == 0) {
    if (sizes->hidden % sizes->heads != 0) {
      config.Fail(heads_key,
                  absl::StrCat("is ", sizes->heads, ", which does not divide ",
                               defaults.keys.hidden, " ", sizes->hidden),
                  "correct one of them or give 'head_dim'");
    }
    sizes->head_width = sizes->hidden / sizes->heads;
  }
  if (defaults.has_rotary &&
      (sizes->head_width < 2 || sizes->head_width % 2 != 0)) {
    config.Fail(config.Has("head_dim") ? "head_dim" : heads_key,
                absl::StrCat("makes heads ", sizes->head_width,
                             " wide, rotary embeddings need an even width"));
    sizes->head_width = 2;
  }
  if (sizes->head_width < 1) sizes->head_width = 2;  // told above
  if (sizes->heads * sizes->head_width > kLargestWidth) {
    config.Fail(heads_key,
                absl::StrCat("heads of ", sizes->head_width,
                             " are wider together than ", kLargestWidth));
    sizes->head_width = 2;
  }
}

void ReadPadding(ConfigReader& config, const DecoderDefaults& defaults,
                 DecoderSizes* sizes) {
  if (!defaults.pads) return;
  std::optional<int64_t> id = config.Integer("pad_token_id");
  if (!id.has_value() && !config.IsNull("pad_token_id") &&
      defaults.padding_idx >= 0 && defaults.padding_idx < sizes->vocabulary)
    id = defaults.padding_idx;
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

double ReadDropout(ConfigReader& config, const DropoutKey& dropout) {
  if (dropout.key.empty()) return 0;
  const double probability = config.Number(dropout.key, dropout.fallback);
  if (probability >= 0 && probability <= 1) return probability;
  config.Fail(dropout.key, absl::StrCat("is ", probability,
                                        ", a probability is from 0 to 1"));
  return 0;
}

void Warn(ConfigReader& config, const DecoderDefaults& defaults,
          const DecoderSizes& sizes, absl::string_view positions_key,
          std::vector<v1::Diagnostic>* warnings) {
  if (const absl::string_view key = defaults.unused_dropout;
      !key.empty() && config.Number(key, 0) != 0) {
    warnings->push_back(config.Warning(
        key, "has no effect: the model in Transformers does not use it either",
        "set it to 0 to say so"));
  }
  // Dynamic embeddings scale themselves.
  if (defaults.has_rotary &&
      sizes.rotary.type != RotaryConfig::Type::kDynamic &&
      sizes.input.tokens > sizes.positions) {
    warnings->push_back(config.Warning(
        positions_key,
        absl::StrCat("is ", sizes.positions, ", shorter than the sequences of ",
                     sizes.input.tokens, " tokens"),
        "use shorter sequences or set rope scaling"));
  }
}

}  // namespace

absl::string_view KeyInUse(const ConfigReader& config, absl::string_view own,
                           absl::string_view usual) {
  return !config.Has(own) && config.Has(usual) ? usual : own;
}

std::string ReadActivation(ConfigReader& config, absl::string_view key,
                           absl::string_view fallback) {
  const std::string name = config.Text(key, fallback);
  constexpr std::pair<absl::string_view, absl::string_view> kKnown[] = {
      {"silu", "silu"},           {"swish", "silu"},
      {"gelu", "gelu"},           {"gelu_new", "gelu_tanh"},
      {"gelu_fast", "gelu_tanh"}, {"gelu_pytorch_tanh", "gelu_tanh"},
      {"relu", "relu"},
  };
  for (const auto& [known, kind] : kKnown)
    if (known == name) return std::string(kind);
  config.Fail(key, absl::StrCat("is '", name, "', which is unknown"),
              "known are silu, swish, gelu, gelu_new, gelu_fast, "
              "gelu_pytorch_tanh and relu");
  return "silu";
}

DecoderSizes ReadDecoderSizes(ConfigReader& config, const InputShape& input,
                              const DecoderDefaults& defaults,
                              std::vector<v1::Diagnostic>* warnings) {
  const DecoderKeys& keys = defaults.keys;
  const DecoderKeys usual;
  DecoderSizes sizes;
  sizes.input = input;
  sizes.vocabulary =
      config.Size("vocab_size", defaults.vocabulary, kLargestWidth);
  sizes.hidden = config.Size(KeyInUse(config, keys.hidden, usual.hidden),
                             defaults.hidden, kLargestWidth);
  sizes.embedding_width = sizes.hidden;
  sizes.intermediate =
      defaults.intermediate > 0 ? defaults.intermediate : 4 * sizes.hidden;
  if (!keys.intermediate.empty()) {
    sizes.intermediate =
        config.Size(keys.intermediate, sizes.intermediate, kLargestWidth);
  }
  sizes.layers = config.Size(KeyInUse(config, keys.layers, usual.layers),
                             defaults.layers, kMostLayers);
  ReadHeads(config, defaults, &sizes);
  ReadPadding(config, defaults, &sizes);
  sizes.norm = defaults.norm;
  sizes.norm_eps = defaults.norm_eps;
  if (!keys.norm_eps.empty()) {
    sizes.norm_eps = config.Number(keys.norm_eps, defaults.norm_eps);
    if (!(sizes.norm_eps > 0)) config.Fail(keys.norm_eps, "has to be positive");
  }
  sizes.standard_deviation =
      config.Number(keys.standard_deviation, defaults.standard_deviation);
  if (!(sizes.standard_deviation >= 0))
    config.Fail(keys.standard_deviation, "must not be negative");
  sizes.activation =
      keys.activation.empty()
          ? std::string(defaults.activation)
          : ReadActivation(config, keys.activation, defaults.activation);
  sizes.tied = config.Flag("tie_word_embeddings", defaults.tied);
  const absl::string_view positions_key =
      KeyInUse(config, keys.positions, usual.positions);
  sizes.positions = config.Size(positions_key, defaults.positions);
  if (defaults.has_rotary) {
    sizes.rotary =
        ReadRotary(config, defaults.rotary, sizes.head_width, sizes.positions);
  }
  sizes.attention_dropout = ReadDropout(config, defaults.attention_dropout);
  sizes.residual_dropout = ReadDropout(config, defaults.residual_dropout);
  sizes.embedding_dropout = ReadDropout(config, defaults.embedding_dropout);
  Warn(config, defaults, sizes, positions_key, warnings);
  return sizes;
}

void NeedPositions(ConfigReader& config, const DecoderSizes& sizes,
                   absl::string_view key) {
  if (sizes.input.tokens <= sizes.positions) return;
  config.Fail(
      key,
      absl::StrCat("is ", sizes.positions, ", shorter than the sequences of ",
                   sizes.input.tokens, " tokens"),
      "use shorter sequences: learned positions end there");
}

}  // namespace autotp::model
