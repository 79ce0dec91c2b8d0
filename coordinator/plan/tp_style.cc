#include "coordinator/plan/tp_style.h"

#include "absl/strings/ascii.h"

namespace autotp::plan {
namespace {

TpStyle Cut(absl::string_view name, Action action) {
  return {name, TpStyle::Use::kRule, action, "", ""};
}

TpStyle Collective(absl::string_view name) {
  return {name, TpStyle::Use::kCollective, Action::kWhole, "", ""};
}

TpStyle ExpertParallel(absl::string_view name) {
  return {name, TpStyle::Use::kRefused, Action::kWhole,
          "is expert parallelism: whole experts on each rank, which is not "
          "done here",
          "cut within the experts: packed_colwise for gate and up, rowwise for "
          "down; or take the entry out"};
}

TpStyle Inference(absl::string_view name) {
  return {name, TpStyle::Use::kRefused, Action::kWhole,
          "has no backward: it is for inference only",
          "place these weights by colwise and rowwise, or take the entry out"};
}

}  // namespace

const std::vector<TpStyle>& TpStyles() {
  static const std::vector<TpStyle>* const styles = new std::vector<TpStyle>{
      Cut("colwise", Action::kColumn),
      Cut("colwise_rep", Action::kColumn),
      Cut("colwise_gather_output", Action::kColumn),
      Cut("colwise_allgather", Action::kColumn),
      Cut("colwise_loss_parallel", Action::kColumn),
      // Fewer key heads than ranks are replicated in any case.
      Cut("colwise_replicate_kv", Action::kColumn),
      Cut("local_colwise", Action::kColumn),
      // Blocks come from the program.
      Cut("packed_colwise", Action::kColumn),
      // Gate and up of experts that are stored transposed: their output.
      Cut("packed_rowwise", Action::kColumn),
      Cut("local_packed_rowwise", Action::kColumn),
      Cut("moe_tp_gate_up_colwise", Action::kColumn),
      Cut("rowwise", Action::kRow),
      Cut("rowwise_rep", Action::kRow),
      Cut("rowwise_split_input", Action::kRow),
      Cut("rowwise_allreduce", Action::kRow),
      Cut("rowwise_reduce_scatter", Action::kRow),
      Cut("local_rowwise", Action::kRow),
      Cut("moe_tp_down_rowwise", Action::kRow),
      Cut("embedding_rowwise", Action::kVocabulary),
      Cut("vocab_allreduce", Action::kVocabulary),
      Cut("vocab_reduce_scatter", Action::kVocabulary),
      Cut("replicate", Action::kWhole),
      Cut("replicated", Action::kWhole),
      Cut("replicated_with_grad_allreduce", Action::kWhole),
      Cut("mla_kv_a_proj", Action::kWhole),
      Cut("sequence_parallel", Action::kWhole),
      Cut("activation", Action::kWhole),
      Cut("activation_seq_dim_2", Action::kWhole),
      Collective("all_reduce"),
      Collective("gather"),
      Collective("local"),
      Collective("isolated"),
      Collective("module_allgather"),
      Collective("module_allgather_hidden_states"),
      Collective("module_allgather_split"),
      Collective("moe_tp_experts"),
      Collective("moe_experts_allreduce"),
      Collective("moe_identity_expert"),
      ExpertParallel("grouped_gemm"),
      ExpertParallel("ep_router"),
      Inference("megamoe_router"),
      Inference("megamoe_experts"),
      {"embedding_colwise", TpStyle::Use::kRefused, Action::kWhole,
       "sums tables that are cut over their width, which no shape fits",
       "write embedding_rowwise: the table is then cut over the vocabulary"},
  };
  return *styles;
}

const TpStyle* FindTpStyle(absl::string_view name) {
  const std::string wanted = absl::AsciiStrToLower(name);
  for (const TpStyle& style : TpStyles()) {
    if (style.name == wanted) return &style;
  }
  return nullptr;
}

}  // namespace autotp::plan
