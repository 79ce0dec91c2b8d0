#include "coordinator/model/huggingface/mixture.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace autotp::model {

using program::Attributes;
using program::Builder;
using program::Operation;
using program::ValueId;

namespace {

constexpr int64_t kMostExperts = 1 << 16;

// Transformers writes some families' key under another name since 5.
absl::string_view ExpertsKey(const ConfigReader& config,
                             absl::string_view own) {
  for (absl::string_view other : {"num_local_experts", "num_experts"})
    if (!config.Has(own) && config.Has(other)) return other;
  return own;
}

}  // namespace

MixtureConfig ReadMixture(ConfigReader& config,
                          const MixtureDefaults& defaults) {
  MixtureConfig mixture;
  const absl::string_view key = ExpertsKey(config, defaults.experts_key);
  mixture.experts = config.Integer(key).value_or(defaults.experts);
  if (mixture.experts < 0 || mixture.experts > kMostExperts) {
    config.Fail(key, absl::StrCat("is ", mixture.experts, ", not from 0 to ",
                                  kMostExperts));
  }
  mixture.top_k =
      config.Size("num_experts_per_tok", defaults.top_k, kMostExperts);
  if (mixture.experts > 0 && mixture.top_k > mixture.experts) {
    config.Fail("num_experts_per_tok",
                absl::StrCat("is ", mixture.top_k, ", but there are ",
                             mixture.experts, " experts"));
  }
  mixture.inner =
      config.Size(defaults.inner_key, defaults.inner, kLargestWidth);
  mixture.normalize = config.Flag("norm_topk_prob", defaults.normalize);
  if (config.Flag("output_router_logits", false))
    mixture.balance = config.Number("router_aux_loss_coef", defaults.balance);
  return mixture;
}

std::vector<bool> ReadSparseLayers(ConfigReader& config, int64_t layers) {
  const int64_t step = config.Size("decoder_sparse_step", 1);
  std::vector<bool> sparse;
  for (int64_t layer = 0; layer < layers; ++layer)
    sparse.push_back((layer + 1) % step == 0);
  for (const double layer : config.Numbers("mlp_only_layers")) {
    if (layer < 0 || layer >= static_cast<double>(layers) ||
        layer != std::floor(layer)) {
      continue;  // layers that are not there, as Transformers has it
    }
    sparse[static_cast<size_t>(layer)] = false;
  }
  return sparse;
}

Mixture::Mixture(MixtureConfig config, const DecoderSizes& sizes,
                 const MixtureNames& names)
    : config_(std::move(config)),
      names_(names),
      activation_(sizes.activation),
      initialization_{program::Initialization::Kind::kNormal,
                      sizes.standard_deviation, -1} {}

ValueId Mixture::Layer(Builder& b, ValueId x) {
  const std::vector<int64_t> shape = b.ShapeOf(x);
  const int64_t width = shape.empty() ? 0 : shape.back();
  const ValueId router =
      b.Parameter("gate.weight", {config_.experts, width}, initialization_);
  Attributes in_float;
  if (config_.corrected) in_float["float32"] = true;
  const ValueId logits =
      b.ApplyOne(Operation::kLinear, {x, router}, std::move(in_float));
  logits_.push_back(logits);

  std::vector<ValueId> routed = {logits};
  if (config_.corrected) {
    routed.push_back(b.Buffer("gate.e_score_correction_bias", {config_.experts},
                              {program::Initialization::Kind::kZeros, 0, -1}));
  }
  Attributes choice = {{"top_k", config_.top_k},
                       {"scores", config_.scores},
                       {"normalize", config_.normalize}};
  if (config_.scale != 1) choice["scale"] = config_.scale;
  if (config_.groups != 1) {
    choice["groups"] = config_.groups;
    choice["top_groups"] = config_.top_groups;
  }
  const std::vector<ValueId> chosen =
      b.Apply(Operation::kRouter, std::move(routed), std::move(choice));

  std::vector<ValueId> gates, ups, downs;
  const auto experts = b.Enter("experts");
  for (int64_t e = 0; e < config_.experts; ++e) {
    const auto scope = b.Enter(absl::StrCat(e));
    const auto weight = [&](absl::string_view name, int64_t out, int64_t in) {
      return b.Parameter(absl::StrCat(name, ".weight"), {out, in},
                         initialization_);
    };
    gates.push_back(weight(names_.gate_proj, config_.inner, width));
    ups.push_back(weight(names_.up_proj, config_.inner, width));
    downs.push_back(weight(names_.down_proj, width, config_.inner));
  }
  std::vector<ValueId> inputs = {x, chosen[0], chosen[1]};
  for (const std::vector<ValueId>* part : {&gates, &ups, &downs})
    inputs.insert(inputs.end(), part->begin(), part->end());
  return b.ApplyOne(Operation::kExperts, std::move(inputs),
                    {{"kind", activation_}, {"count", config_.experts}});
}

ValueId Mixture::AddBalance(Builder& b, ValueId loss) const {
  if (config_.balance == 0 || logits_.empty()) return loss;
  const ValueId uneven =
      b.ApplyOne(Operation::kRouterLoss, logits_, {{"top_k", config_.top_k}});
  return b.Add(loss, b.Scale(uneven, config_.balance));
}

}  // namespace autotp::model
