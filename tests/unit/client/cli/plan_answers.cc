#include "tests/unit/client/cli/plan_answers.h"

#include <gtest/gtest.h>

#include <fstream>

#include "coordinator/planner/planner.h"
#include "tests/support/temp_dir.h"

namespace autotp::cli {
namespace {

using nlohmann::json;

json Llama(int64_t hidden, int layers, int heads, int key_heads,
           int64_t intermediate, int64_t vocabulary) {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"hidden_act", "silu"},
          {"hidden_size", hidden},
          {"num_hidden_layers", layers},
          {"num_attention_heads", heads},
          {"num_key_value_heads", key_heads},
          {"intermediate_size", intermediate},
          {"vocab_size", vocabulary},
          {"max_position_embeddings", 8192},
          {"initializer_range", 0.02},
          {"rms_norm_eps", 1e-5},
          {"rope_theta", 500000.0},
          {"tie_word_embeddings", false}};
}

}  // namespace

json TinyLlama(const json& changes) {
  json config = Llama(64, 2, 4, 2, 72, 256);
  if (!changes.is_null()) config.merge_patch(changes);
  return config;
}

json Llama8B() { return Llama(4096, 32, 32, 8, 14336, 128256); }

json Llama405B() { return Llama(16384, 126, 128, 8, 53248, 128256); }

v1::ValidateJobResponse Answer(const PlanQuestion& question) {
  const testing::TempDir folder;
  std::ofstream(folder / "config.json") << question.model.dump(1);
  v1::JobSpec spec;
  spec.set_config_json(question.config.dump(1));
  spec.set_config_name("ds_config.json");
  spec.set_world_size(question.world_size);
  spec.mutable_model()->set_path(folder / "");
  spec.mutable_run()->set_sequence_length(question.sequence_length);
  planner::PlanOptions options;
  options.check_run_settings = false;
  if (question.tune.ByteSizeLong() > 0) options.tune = question.tune;
  planner::PlanResult result = planner::MakePlan(spec, options);
  v1::ValidateJobResponse response;
  response.set_valid(result.valid);
  for (const v1::Diagnostic& diagnostic : result.diagnostics) {
    EXPECT_NE(diagnostic.severity(), v1::Diagnostic::SEVERITY_ERROR)
        << diagnostic.ShortDebugString();
    *response.add_diagnostics() = diagnostic;
  }
  response.set_effective_config_json(result.effective_config_json);
  *response.mutable_config() = result.planned.config();
  *response.mutable_plan() = result.planned.plan();
  if (result.tuned.has_value()) *response.mutable_tuned() = *result.tuned;
  return response;
}

}  // namespace autotp::cli
