// plan_testing.h -- a small llama and short ways to place its parameters.
#ifndef AUTOTP_TESTS_UNIT_COORDINATOR_PLAN_PLAN_TESTING_H_
#define AUTOTP_TESTS_UNIT_COORDINATOR_PLAN_PLAN_TESTING_H_

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "coordinator/config/diagnostics.h"
#include "coordinator/plan/choose_rules.h"
#include "coordinator/plan/match_rules.h"
#include "coordinator/program/builder.h"

namespace autotp::plan {

// One llama layer: hidden 8, 4 query and 2 key heads of 2, intermediate 12,
// vocabulary 16; q_proj with a bias. Fused as in phi3: qkv_proj [16, 8] with a
// bias, gate_up_proj [24, 8].
inline program::Program TinyLlama(bool tied = false, bool fused = false) {
  program::Builder b("llama", 1, 4);
  program::ValueId x = program::kNoValue;
  {
    auto model = b.Enter("model");
    x = b.Embedding("embed_tokens", b.input_ids(), {.rows = 16, .width = 8});
    const program::RotaryTables tables = b.RotaryTable({1.0}, 4);
    auto layer = b.Enter("layers.0");
    const auto heads = [&b, &tables](program::ValueId v, int64_t count,
                                     bool rotate) {
      v = b.Transpose(b.Reshape(v, {1, 4, count, 2}), 1, 2);
      return rotate ? b.Rotary(v, tables) : v;
    };
    const program::ValueId h = b.RmsNorm("input_layernorm", x, 1e-5);
    program::ValueId q, k, v;
    if (fused) {
      const program::ValueId qkv =
          b.Linear("self_attn.qkv_proj", h, {.out = 16, .bias = true});
      q = b.Slice(qkv, 2, 0, 8);
      k = b.Slice(qkv, 2, 8, 12);
      v = b.Slice(qkv, 2, 12, 16);
    } else {
      q = b.Linear("self_attn.q_proj", h, {.out = 8, .bias = true});
      k = b.Linear("self_attn.k_proj", h, {.out = 4});
      v = b.Linear("self_attn.v_proj", h, {.out = 4});
    }
    q = heads(q, 4, true);
    k = heads(k, 2, true);
    v = heads(v, 2, false);
    const program::ValueId a = b.Reshape(
        b.Transpose(b.Attention(q, k, v, {.scale = 0.7}), 1, 2), {1, 4, 8});
    x = b.Add(x, b.Linear("self_attn.o_proj", a, {.out = 8, .bias = true}));
    const program::ValueId m = b.RmsNorm("post_attention_layernorm", x, 1e-5);
    program::ValueId gate, up;
    if (fused) {
      const program::ValueId both =
          b.Linear("mlp.gate_up_proj", m, {.out = 24});
      gate = b.Slice(both, 2, 0, 12);
      up = b.Slice(both, 2, 12, 24);
    } else {
      gate = b.Linear("mlp.gate_proj", m, {.out = 12});
      up = b.Linear("mlp.up_proj", m, {.out = 12});
    }
    const program::ValueId gated = b.GatedActivation(gate, up, "silu");
    x = b.Add(x, b.Linear("mlp.down_proj", gated, {.out = 8}));
  }
  const program::ValueId logits =
      b.Linear("lm_head", x,
               {.out = 16, .tied_to = tied ? "model.embed_tokens.weight" : ""});
  auto program = std::move(b).Finish(b.CrossEntropy(logits, b.labels()));
  EXPECT_TRUE(program.ok()) << program.status();
  return *std::move(program);
}

inline config::LayerSpec Spec(const std::string& pattern,
                              config::PartitionType type) {
  config::LayerSpec spec;
  spec.patterns.push_back({pattern, {"ds.json", "/pattern", 1, 1}});
  spec.type = type;
  spec.partition_dim = type == config::PartitionType::kColumn ? 0 : 1;
  spec.place = {"ds.json", "/spec", 1, 1};
  spec.shape_place = {"ds.json", "/spec/shape", 1, 2};
  return spec;
}

// A model whose config.json has a tensor-parallel plan of its own.
inline ModelFacts WithPlan(TpPlan entries) {
  return {"llama", {{{"c.json", "/base_model_tp_plan"}, std::move(entries)}}};
}

struct Placed {
  RuleSet rules;
  std::map<std::string, Placement> by_name;
  config::Diagnostics diagnostics;

  // "column", "row", "whole", "auto": dimension 0, 1, none, open.
  std::string How(const std::string& name) const {
    const auto found = by_name.find(name);
    if (found == by_name.end()) return "absent";
    switch (found->second.request.want) {
      case partition::ParameterRequest::Want::kAuto:
        return "auto";
      case partition::ParameterRequest::Want::kWhole:
        return "whole";
      case partition::ParameterRequest::Want::kCut:
        break;
    }
    return found->second.request.dim == 0 ? "column" : "row";
  }

  // The first diagnostic with that reason; an empty one if there is none.
  v1::Diagnostic First(const std::string& reason) const {
    for (const v1::Diagnostic& diagnostic : diagnostics.all()) {
      if (diagnostic.reason() == reason) return diagnostic;
    }
    return {};
  }

  std::vector<std::string> Reasons() const {
    std::vector<std::string> reasons;
    for (const v1::Diagnostic& diagnostic : diagnostics.all()) {
      reasons.push_back(diagnostic.reason());
    }
    return reasons;
  }
};

inline Placed PlaceAll(const config::TensorParallelRequest& request,
                       const program::Program& program = TinyLlama(),
                       const ModelFacts& model = {"llama", {}}) {
  Placed placed;
  placed.rules = ChooseRules(request, model, &placed.diagnostics);
  placed.by_name =
      MatchRules(placed.rules, program, model.model_type, &placed.diagnostics);
  return placed;
}

inline config::TensorParallelRequest AtSize(int64_t size) {
  config::TensorParallelRequest request;
  request.size = size;
  return request;
}

inline config::TensorParallelRequest WithSpecs(
    std::vector<config::LayerSpec> specs) {
  config::TensorParallelRequest request = AtSize(2);
  request.partition_config.emplace();
  request.partition_config->specs = std::move(specs);
  request.partition_config->place = {"ds.json", "/partition_config", 1, 1};
  return request;
}

}  // namespace autotp::plan

#endif  // AUTOTP_TESTS_UNIT_COORDINATOR_PLAN_PLAN_TESTING_H_
