#include "coordinator/model/huggingface/latent_attention.h"

#include <cmath>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"

namespace autotp::model {

using program::Builder;
using program::Operation;
using program::ValueId;

namespace {

// The norms of the latents keep their class's default, whatever the config's
// rms_norm_eps is.
constexpr double kNormEps = 1e-6;

// YaRN's correction of the scores' scale, which DeepSeek applies beside that
// of the tables.
double YarnCorrection(ConfigReader& config) {
  const std::string section =
      config.IsSection("rope_scaling") ? "rope_scaling" : "rope_parameters";
  if (!config.IsSection(section)) return 1;
  const auto key = [&section](absl::string_view name) {
    return absl::StrCat(section, "/", name);
  };
  const std::string type =
      config.Text(key("rope_type"), config.Text(key("type"), "default"));
  const double all_dims = config.Number(key("mscale_all_dim"), 0);
  const double factor = config.Number(key("factor"), 1);
  if (type == "default" || all_dims == 0 || factor <= 1) return 1;
  const double correction = 0.1 * all_dims * std::log(factor) + 1;
  return correction * correction;
}

}  // namespace

LatentConfig ReadLatent(ConfigReader& config, DecoderSizes* sizes) {
  LatentConfig latent;
  if (!config.IsNull("q_lora_rank"))
    latent.query_rank = config.Size("q_lora_rank", 1536, kLargestWidth);
  latent.key_value_rank = config.Size("kv_lora_rank", 512, kLargestWidth);
  latent.plain_width = config.Size("qk_nope_head_dim", 128, kLargestWidth);
  latent.rotary_width = config.Size("qk_rope_head_dim", 64, kLargestWidth);
  latent.value_width = config.Size("v_head_dim", 128, kLargestWidth);
  if (latent.rotary_width % 2 != 0) {
    config.Fail("qk_rope_head_dim",
                absl::StrCat("is ", latent.rotary_width,
                             ", rotary embeddings need an even width"));
  }
  if (sizes->key_value_heads != sizes->heads) {
    config.Fail(
        "num_key_value_heads",
        absl::StrCat("is ", sizes->key_value_heads, ", but every one of the ",
                     sizes->heads, " heads has a key of its own"));
  }
  latent.interleaved = config.Flag("rope_interleave", true);
  latent.bias = config.Flag("attention_bias", false);
  latent.score_scale =
      YarnCorrection(config) /
      std::sqrt(static_cast<double>(latent.plain_width + latent.rotary_width));
  sizes->head_width = latent.rotary_width;
  sizes->rotary = ReadRotary(config, {}, latent.rotary_width, sizes->positions);
  return latent;
}

ValueId LatentAttention(Decoder& decoder, absl::string_view module, ValueId x,
                        const LatentConfig& latent) {
  Builder& b = decoder.builder();
  const auto scope = b.Enter(module);
  const DecoderSizes& sizes = decoder.sizes();
  const int64_t heads = sizes.heads;
  const int64_t plain = latent.plain_width;
  const int64_t rank = latent.key_value_rank;
  const auto in_heads = [&](ValueId y, int64_t width) {
    return b.Transpose(
        b.Reshape(y, {sizes.input.batch, sizes.input.tokens, heads, width}), 1,
        2);
  };
  const auto rotate = [&](ValueId y) {
    return b.Rotary(y, decoder.tables(), latent.interleaved);
  };

  const int64_t width = plain + latent.rotary_width;
  ValueId q = x;
  if (latent.query_rank > 0) {
    q = b.RmsNorm("q_a_layernorm",
                  decoder.Linear("q_a_proj", x, latent.query_rank, latent.bias),
                  kNormEps);
  }
  q = decoder.Linear(latent.query_rank > 0 ? "q_b_proj" : "q_proj", q,
                     heads * width, /*bias=*/false);
  q = in_heads(q, width);
  q = b.Concat({b.Slice(q, 3, 0, plain), rotate(b.Slice(q, 3, plain, width))},
               3);

  const ValueId narrow = decoder.Linear(
      "kv_a_proj_with_mqa", x, rank + latent.rotary_width, latent.bias);
  ValueId kv =
      b.RmsNorm("kv_a_layernorm", b.Slice(narrow, 2, 0, rank), kNormEps);
  const int64_t both = plain + latent.value_width;
  kv = in_heads(decoder.Linear("kv_b_proj", kv, heads * both, /*bias=*/false),
                both);
  const ValueId shared = rotate(b.Reshape(
      b.Slice(narrow, 2, rank, rank + latent.rotary_width),
      {sizes.input.batch, 1, sizes.input.tokens, latent.rotary_width}));
  const ValueId every = b.ApplyOne(Operation::kExpand, {shared},
                                   {{"dim", int64_t{1}}, {"size", heads}});
  const ValueId k = b.Concat({b.Slice(kv, 3, 0, plain), every}, 3);
  const ValueId v = b.Slice(kv, 3, plain, both);

  const ValueId y = b.Attention(
      q, k, v,
      {.scale = latent.score_scale, .dropout = sizes.attention_dropout});
  return decoder.Linear(
      "o_proj",
      b.Reshape(b.Transpose(y, 1, 2), {sizes.input.batch, sizes.input.tokens,
                                       heads * latent.value_width}),
      sizes.hidden, latent.bias);
}

}  // namespace autotp::model
