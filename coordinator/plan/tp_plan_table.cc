#include "coordinator/plan/tp_plan_table.h"

#include <initializer_list>
#include <map>

#include "absl/strings/str_cat.h"

namespace autotp::plan {
namespace {

// What the plans are put together from. Experts stand under the names that the
// library has for all of them together; tp_plan.cc finds them one by one.
enum class Part {
  kAttention,  // q, k, v, o of self_attn
  kGathered,   // the same, its result gathered: norms over all heads
  kPhi,        // o is called dense
  kFused,      // qkv_proj
  kNeox,       // query_key_value, dense, and its MLP
  kLatent,     // low-rank queries and keys: deepseek
  kNorms,      // q_norm, k_norm over one head
  kGatedMlp,   // gate_proj, up_proj, down_proj
  kUpDown,     // up_proj, down_proj
  kFusedMlp,   // gate_up_proj, down_proj
  kFc,         // fc1, fc2
  kCfc,        // c_fc, c_proj
  kExperts,    // mlp.experts
  kSharedExperts,
  kSharedExpert,
  kLlama4,  // feed_forward, with experts
  kSinks,   // one number per head
};

struct Entry {
  absl::string_view module;  // behind "layers.*."
  absl::string_view style;
};

std::vector<Entry> EntriesOf(Part part) {
  switch (part) {
    case Part::kAttention:
      return {{"self_attn.q_proj", "colwise"},
              {"self_attn.k_proj", "colwise"},
              {"self_attn.v_proj", "colwise"},
              {"self_attn.o_proj", "rowwise"}};
    case Part::kGathered:
      return {{"self_attn.q_proj", "colwise_gather_output"},
              {"self_attn.k_proj", "colwise_gather_output"},
              {"self_attn.v_proj", "colwise_gather_output"},
              {"self_attn.o_proj", "rowwise_split_input"}};
    case Part::kPhi:
      return {{"self_attn.q_proj", "colwise"},
              {"self_attn.k_proj", "colwise"},
              {"self_attn.v_proj", "colwise"},
              {"self_attn.dense", "rowwise"}};
    case Part::kFused:
      return {{"self_attn.qkv_proj", "colwise_gather_output"},
              {"self_attn.o_proj", "rowwise_split_input"}};
    case Part::kNeox:
      return {{"attention.query_key_value", "colwise"},
              {"attention.dense", "rowwise"},
              {"mlp.dense_h_to_4h", "colwise"},
              {"mlp.dense_4h_to_h", "rowwise"}};
    case Part::kLatent:
      return {{"self_attn.q_proj", "colwise"},
              {"self_attn.q_b_proj", "colwise"},
              {"self_attn.kv_a_proj_with_mqa", "mla_kv_a_proj"},
              {"self_attn.kv_b_proj", "colwise"},
              {"self_attn.o_proj", "rowwise"}};
    case Part::kNorms:
      return {{"self_attn.q_norm", "replicated_with_grad_allreduce"},
              {"self_attn.k_norm", "replicated_with_grad_allreduce"}};
    case Part::kGatedMlp:
      return {{"mlp.gate_proj", "colwise"},
              {"mlp.up_proj", "colwise"},
              {"mlp.down_proj", "rowwise"}};
    case Part::kUpDown:
      return {{"mlp.up_proj", "colwise"}, {"mlp.down_proj", "rowwise"}};
    case Part::kFusedMlp:
      return {{"mlp.gate_up_proj", "colwise_gather_output"},
              {"mlp.down_proj", "rowwise_split_input"}};
    case Part::kFc:
      return {{"mlp.fc1", "colwise"}, {"mlp.fc2", "rowwise"}};
    case Part::kCfc:
      return {{"mlp.c_fc", "colwise"}, {"mlp.c_proj", "rowwise"}};
    case Part::kExperts:
      return {{"mlp.experts.gate_up_proj", "packed_colwise"},
              {"mlp.experts.down_proj", "rowwise"},
              {"mlp.experts", "moe_tp_experts"}};
    case Part::kSharedExperts:
      return {{"mlp.shared_experts.gate_proj", "colwise"},
              {"mlp.shared_experts.up_proj", "colwise"},
              {"mlp.shared_experts.down_proj", "rowwise"}};
    case Part::kSharedExpert:
      return {{"mlp.shared_expert.gate_proj", "colwise"},
              {"mlp.shared_expert.up_proj", "colwise"},
              {"mlp.shared_expert.down_proj", "rowwise"}};
    case Part::kLlama4:
      return {{"feed_forward.shared_expert.gate_proj", "colwise"},
              {"feed_forward.shared_expert.up_proj", "colwise"},
              {"feed_forward.shared_expert.down_proj", "rowwise"},
              // There they are stored transposed, and the styles turned.
              {"feed_forward.experts.gate_up_proj", "packed_colwise"},
              {"feed_forward.experts.down_proj", "rowwise"},
              {"feed_forward.gate_proj", "colwise"},
              {"feed_forward.up_proj", "colwise"},
              {"feed_forward.down_proj", "rowwise"}};
    case Part::kSinks:
      return {{"self_attn.sinks", "colwise"}};
  }
  return {};
}

using Parts = std::vector<Part>;

const std::map<absl::string_view, Parts>& Table() {
  static const auto* const table = [] {
    auto* const made = new std::map<absl::string_view, Parts>;
    const auto add = [made](const Parts& parts,
                            std::initializer_list<absl::string_view> types) {
      for (const absl::string_view type : types) made->emplace(type, parts);
    };
    add({Part::kAttention, Part::kGatedMlp}, {"llama",
                                              "mistral",
                                              "ministral",
                                              "ministral3",
                                              "qwen2",
                                              "gemma",
                                              "gemma2",
                                              "granite",
                                              "smollm3",
                                              "cohere",
                                              "cohere2",
                                              "olmo",
                                              "helium",
                                              "ernie4_5",
                                              "seed_oss",
                                              "cohere2_moe",
                                              "cwm",
                                              "esmc",
                                              "eurobert",
                                              "hyperclovax",
                                              "paddleocr_vl_text",
                                              "qwen2_vl_text",
                                              "qwen2_5_vl_text",
                                              "qwen2_5_omni_text",
                                              "qwen3_vl_moe_text",
                                              "t5_gemma_module",
                                              "vaultgemma",
                                              "glm4v_moe_text",
                                              "granite4_vision_text"});
    // The library leaves its experts whole, for no reason of ours.
    add({Part::kAttention, Part::kExperts, Part::kSharedExpert,
         Part::kGatedMlp},
        {"qwen2_moe"});
    add({Part::kAttention, Part::kNorms, Part::kGatedMlp},
        {"qwen3", "gemma3_text", "exaone4", "exaone_moe",
         "gemma4_unified_text"});
    add({Part::kGathered, Part::kGatedMlp}, {"olmo2", "olmo3"});
    add({Part::kGathered, Part::kExperts}, {"olmoe"});
    add({Part::kPhi, Part::kFc}, {"phi"});
    add({Part::kFused, Part::kFusedMlp}, {"phi3"});
    add({Part::kAttention, Part::kFusedMlp}, {"glm", "glm4"});
    add({Part::kAttention, Part::kCfc}, {"starcoder2"});
    add({Part::kAttention, Part::kFc}, {"nanochat"});
    add({Part::kNeox}, {"gpt_neox"});
    add({Part::kAttention, Part::kUpDown}, {"arcee"});
    add({Part::kAttention, Part::kUpDown, Part::kNorms}, {"apertus"});
    add({Part::kAttention, Part::kExperts}, {"mixtral", "minimax"});
    add({Part::kAttention, Part::kNorms, Part::kExperts, Part::kGatedMlp},
        {"qwen3_moe"});
    add({Part::kAttention, Part::kExperts, Part::kSharedExperts,
         Part::kGatedMlp},
        {"glm4_moe"});
    // The library leaves deepseek_v3's attention out; deepseek_v2's fits it.
    add({Part::kLatent, Part::kExperts, Part::kSharedExperts, Part::kGatedMlp},
        {"deepseek_v2", "deepseek_v3"});
    add({Part::kAttention, Part::kLlama4}, {"llama4_text"});
    add({Part::kAttention, Part::kSinks, Part::kGatedMlp},
        {"granite_swa", "mimo_v2_flash"});
    return made;
  }();
  return *table;
}

}  // namespace

TpPlan BuiltInTpPlan(absl::string_view model_type) {
  const auto found = Table().find(model_type);
  if (found == Table().end()) return {};
  TpPlan plan;
  for (const Part part : found->second) {
    for (const Entry& entry : EntriesOf(part)) {
      plan.emplace_back(absl::StrCat("layers.*.", entry.module), entry.style);
    }
  }
  plan.emplace_back("lm_head", "colwise_gather_output");
  // The library adds this for tied weights; untied ones gain from it as much.
  const bool is_neox = model_type == "gpt_neox";
  plan.emplace_back(is_neox ? "embed_in" : "embed_tokens", "embedding_rowwise");
  if (is_neox) plan.emplace_back("embed_out", "colwise_rep");
  return plan;
}

std::vector<absl::string_view> TpPlanModelTypes() {
  std::vector<absl::string_view> types;
  for (const auto& [type, parts] : Table()) types.push_back(type);
  return types;
}

}  // namespace autotp::plan
