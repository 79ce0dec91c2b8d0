// Goal: each row of DeepSpeed's documented behaviour (loading, batch, core,
// precision, ZeRO, optimizer and scheduler keys, errors) is answered.
// Method: one small document for each row, and what is said about it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_join.h"
#include "tests/unit/coordinator/config/config_testing.h"

namespace autotp::config {
namespace {

using ::testing::HasSubstr;

struct Row {
  std::string text;
  // "error REASON /pointer"; empty: no error and no warning.
  std::string found;
  int64_t world_size = 4;
};

void Check(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    const Reading reading = Read(row.text, row.world_size);
    std::vector<std::string> found;
    for (const v1::Diagnostic& one : reading.diagnostics.all()) {
      if (one.severity() == v1::Diagnostic::SEVERITY_NOTE) continue;
      found.push_back(absl::StrCat(
          one.severity() == v1::Diagnostic::SEVERITY_ERROR ? "error "
                                                           : "warning ",
          one.reason(), " ", one.json_pointer()));
    }
    EXPECT_EQ(absl::StrJoin(found, "; "), row.found) << row.text;
  }
}

// A document that is right but for `members`.
std::string With(const std::string& members) {
  return absl::StrCat("{\"train_batch_size\": 8, ", members, "}");
}

TEST(ReferenceRowsTest, Loading) {
  Check({
      {"# c\n{\"train_batch_size\": 8, /* c */ \"bf16\": {},}  // c\n", ""},
      {"{\"train_batch_size\": 8, \"train_batch_size\": 8}",
       "error DUPLICATE_KEY /train_batch_size"},
      {With(R"("bf16": {"enabled": true, "enabled": true})"),
       "error DUPLICATE_KEY /bf16/enabled"},
      {With(R"("gradient_cliping": 1)"), "error UNKNOWN_KEY /gradient_cliping"},
      {With(R"("bf16": {"check_overflow": true})"),
       "error UNKNOWN_KEY /bf16/check_overflow"},
      {With(R"("zero_optimization": {"grad_hooks": true})"),
       "error UNKNOWN_KEY /zero_optimization/grad_hooks"},
      {With(R"("optimizer": {"type": "Adam", "parms": {}})"),
       "error UNKNOWN_KEY /optimizer/parms"},
      {With(R"("activation_checkpointing": {"cpu": true})"),
       "error UNKNOWN_KEY /activation_checkpointing/cpu"},
      {With(R"("wandb": {"enabled": true, "name": "x"})"),
       "error UNKNOWN_KEY /wandb/name"},
      {With(R"("seed": 42)"), "error KEY_REFUSED /seed"},
  });
}

TEST(ReferenceRowsTest, Autos) {
  Check({
      {R"({"train_batch_size": "auto"})",
       "error BATCH_SIZE_MISSING /train_batch_size"},
      {R"({"train_batch_size": "auto",
           "train_micro_batch_size_per_gpu": 2,
           "gradient_accumulation_steps": "auto"})",
       ""},
      {With(R"("gradient_clipping": "auto", "bf16": {"enabled": "auto"})"), ""},
      {With(R"("optimizer": {"type": "AdamW", "params": {"lr": "auto"}})"),
       "error AUTO_NOT_DERIVABLE /optimizer/params/lr"},
      {With(R"("optimizer": {"type": "AdamW",
                             "params": {"betas": "auto", "eps": "auto"}})"),
       ""},
      {With(R"("scheduler": {"type": "WarmupLR", "params": {
                 "warmup_min_lr": "auto", "warmup_max_lr": "auto"}})"),
       ""},
      {With(R"("scheduler": {"type": "WarmupLR", "params": {
                 "warmup_num_steps": "auto"}})"),
       "error AUTO_NOT_DERIVABLE /scheduler/params/warmup_num_steps"},
      {With(R"("scheduler": {"type": "WarmupDecayLR", "params": {
                 "total_num_steps": "auto"}})"),
       "error AUTO_NOT_DERIVABLE /scheduler/params/total_num_steps"},
      {With(R"("tensor_parallel": {"autotp_size": "auto"})"),
       "error AUTO_NOT_DERIVABLE /tensor_parallel/autotp_size"},
      {With(R"("optimizer": {"type": "auto"})"),
       "error OPTIMIZER_NOT_SUPPORTED /optimizer/type"},
  });
}

TEST(ReferenceRowsTest, AutosSayTheirValue) {
  Diagnostics diagnostics;
  const ConfigResult result = ReadConfig(
      R"({"train_micro_batch_size_per_gpu": 2, "train_batch_size": "auto",
          "gradient_clipping": "auto",
          "optimizer": {"type": "AdamW", "params": {"lr": 0.5}},
          "scheduler": {"type": "WarmupDecayLR", "params": {
            "total_num_steps": "auto", "warmup_num_steps": 10,
            "warmup_max_lr": "auto"}}})",
      "ds.json", {4, 100}, &diagnostics);
  ASSERT_TRUE(result.training.has_value());
  EXPECT_EQ(result.training->schedule().total_steps(), 100);
  EXPECT_EQ(result.training->schedule().maximum(), 0.5);
  std::vector<std::string> messages;
  for (const v1::Diagnostic& one : diagnostics.all()) {
    messages.push_back(one.message());
  }
  EXPECT_THAT(messages,
              ::testing::UnorderedElementsAre(
                  HasSubstr("gradient_clipping is \"auto\", which Hugging "
                            "Face's trainer fills in; here it is 1.0"),
                  "train_batch_size is \"auto\": it is 8 here, since 8 = 2 x "
                  "1 x data-parallel size 4",
                  "total_num_steps is \"auto\": it is 100 here, the job's "
                  "max_steps",
                  "warmup_max_lr is \"auto\": it is 0.5 here, the "
                  "optimizer's lr"));
}

TEST(ReferenceRowsTest, CoreKeys) {
  Check({
      {With(R"("steps_per_print": 10, "wall_clock_breakdown": true,
               "memory_breakdown": true, "dump_state": true,
               "dataloader_drop_last": true, "log_level": "info",
               "disable_allgather": true, "sparse_gradients": true,
               "managed_gradient_accumulation": false,
               "zero_force_ds_cpu_optimizer": false, "vocabulary_size": 32000,
               "graph_harvesting": true)"),
       ""},
      {With(R"("steps_per_print": "often")"),
       "error WRONG_TYPE /steps_per_print"},
      {With(R"("gradient_clipping": -1)"),
       "error OUT_OF_RANGE /gradient_clipping"},
      {With(R"("gradient_clipping": 0)"), ""},
      {With(R"("gradient_allreduce_op": "mean")"), ""},
      {With(R"("gradient_allreduce_op": "sum")"),
       "error UNKNOWN_VALUE /gradient_allreduce_op"},
      {With(R"("gradient_allreduce_op": "max")"),
       "error UNKNOWN_VALUE /gradient_allreduce_op"},
      {With(R"("communication_data_type": "int8")"),
       "error UNKNOWN_VALUE /communication_data_type"},
      {With(R"("amp": {"enabled": true, "opt_level": "O1"})"),
       "error KEY_REFUSED /amp"},
      {With(R"("torch_autocast": {"enabled": true, "dtype": "bfloat16"})"),
       "error KEY_REFUSED /torch_autocast"},
      {With(R"("data_types": {"grad_accum_dtype": "fp32"})"), ""},
      {With(R"("data_types": {"grad_accum_dtype": "fp8"})"),
       "error UNKNOWN_VALUE /data_types/grad_accum_dtype"},
      {With(R"("data_types": {"param_dtype": "bf16"})"),
       "error PARAM_DTYPE_CONFLICT /data_types/param_dtype"},
      {With(R"("data_types": {"param_dtype": "bf16"},
               "bf16": {"enabled": true})"),
       ""},
  });
}

TEST(ReferenceRowsTest, Precision) {
  Check({
      {With(R"("fp16": {"enabled": false}, "bf16": {"enabled": true})"), ""},
      {With(R"("bf16": {"enabled": true, "immediate_grad_update": true})"), ""},
      {With(R"("fp16": {"loss_scale": true})"),
       "error WRONG_TYPE /fp16/loss_scale"},
      {With(R"("fp16": {"loss_scale": -1})"),
       "error OUT_OF_RANGE /fp16/loss_scale"},
      {With(R"("fp16": {"loss_scale_window": 0.5})"),
       "error WRONG_TYPE /fp16/loss_scale_window"},
      {With(R"("fp16": {"enabled": true, "min_loss_scale": 0})"),
       "error OUT_OF_RANGE /fp16/min_loss_scale"},
      {With(
           R"("fp16": {"enabled": true, "loss_scale": 8, "min_loss_scale": 0})"),
       ""},
      {With(R"("fp16": {"enabled": true, "initial_scale_power": 128})"),
       "error OUT_OF_RANGE /fp16/initial_scale_power"},
      {With(R"("fp16": {"fp16_master_weights_and_grads": true})"), ""},
  });
  // Whatever else is said of fp16.
  EXPECT_EQ(First(Read(With(R"("fp16": {"enabled": true},
                               "bf16": {"enabled": true})"))
                      .diagnostics,
                  "FP16_WITH_BF16")
                .json_pointer(),
            "/fp16/enabled");
}

TEST(ReferenceRowsTest, Zero) {
  Check({
      {With(R"("zero_optimization": true)"),
       "warning DEPRECATED_FORM /zero_optimization"},
      {With(R"("zero_optimization": {"stage": 4})"),
       "error OUT_OF_RANGE /zero_optimization/stage"},
      {With(R"("zero_optimization": {"stage": 3})"),
       "error ZERO_STAGE_NOT_SUPPORTED /zero_optimization/stage"},
      {With(R"("zero_optimization": {"stage": 2, "contiguous_gradients": true,
               "reduce_scatter": true, "reduce_bucket_size": "5e8",
               "use_multi_rank_bucket_allreduce": false,
               "allgather_partitions": true, "allgather_bucket_size": 5e8,
               "overlap_comm": true, "load_from_fp32_weights": false,
               "elastic_checkpoint": true, "round_robin_gradients": true,
               "ignore_unused_parameters": false, "sub_group_size": 1e9})"),
       ""},
      {With(R"("zero_optimization": {"reduce_bucket_size": -1})"),
       "error OUT_OF_RANGE /zero_optimization/reduce_bucket_size"},
      {With(R"("zero_optimization": {"legacy_stage1": true})"),
       "error KEY_REFUSED /zero_optimization/legacy_stage1"},
      {With(R"("zero_optimization": {"stage": 2,
               "offload_optimizer": {"device": "cpu"}})"),
       "error KEY_REFUSED /zero_optimization/offload_optimizer"},
      {With(R"("zero_optimization": {"offload_optimizer": {"device": "gpu"}})"),
       "error KEY_REFUSED /zero_optimization/offload_optimizer; error "
       "UNKNOWN_VALUE /zero_optimization/offload_optimizer/device"},
      {With(R"("zero_optimization": {"offload_optimizer": {"ratio": 2}})"),
       "error OUT_OF_RANGE /zero_optimization/offload_optimizer/ratio"},
      {With(R"("zero_optimization": {"cpu_offload": true})"),
       "error KEY_REFUSED /zero_optimization/cpu_offload"},
      {With(R"("zero_optimization": {"zero_quantized_weights": true})"),
       "error KEY_REFUSED /zero_optimization/zero_quantized_weights"},
      {With(R"("zero_optimization": {"zero_hpz_partition_size": 1,
               "mics_shard_size": -1, "stage3_max_live_parameters": 1e9})"),
       ""},
      {With(R"("zero_optimization": {"stage": 1}, "prescale_gradients": true)"),
       ""},
      {With(R"("zero_optimization": {"stage": 2}, "prescale_gradients": true)"),
       "error PRESCALE_WITH_ZERO /prescale_gradients"},
      {With(R"("zero_optimization": {"stage": 2},
               "gradient_predivide_factor": 2.0)"),
       "error PRESCALE_WITH_ZERO /gradient_predivide_factor"},
      {With(R"("zero_optimization": {"stage": 2, "reduce_scatter": false},
               "prescale_gradients": true)"),
       ""},
  });
}

TEST(ReferenceRowsTest, StageThreeNamesTheTensorParallelSize) {
  const Reading reading = Read(With(R"("zero_optimization": {"stage": 3},
                   "tensor_parallel": {"autotp_size": 2})"),
                               4);
  EXPECT_EQ(First(reading.diagnostics, "ZERO_STAGE_NOT_SUPPORTED").message(),
            "zero_optimization.stage 3 does not go with autotp_size 2; stages "
            "0, 1 and 2 do");
}

TEST(ReferenceRowsTest, TensorParallel) {
  Check({
      {With(R"("tensor_parallel": {"autotp_size": 2, "tp": {"tp_size": 2,
               "tp_grain_size": 64}})"),
       ""},
      {With(R"("tensor_parallel": {"autotp_size": 2, "tp": {"tp_size": 4}})"),
       "error TENSOR_PARALLEL_SIZE_CONFLICT /tensor_parallel/tp/tp_size"},
      {With(R"("tensor_parallel": {"autotp_size": 3})"),
       "error TENSOR_PARALLEL_SIZE_DOES_NOT_DIVIDE "
       "/tensor_parallel/autotp_size"},
      {With(R"("tensor_parallel": {"autotp_size": 8})"),
       "error TENSOR_PARALLEL_SIZE_DOES_NOT_DIVIDE "
       "/tensor_parallel/autotp_size"},
      {With(R"("tensor_parallel": {"autotp_siz": 2})"),
       "error UNKNOWN_KEY /tensor_parallel/autotp_siz"},
      {With(R"("tensor_parallel": {"autotp_size": 2, "dtype": "bf16",
               "tp_overlap_comm": true, "keep_module_on_host": true,
               "kernel_inject": true})"),
       ""},
      {With(R"("tensor_parallel": {"injection_policy_tuple": ["a"]})"),
       "error KEY_REFUSED /tensor_parallel/injection_policy_tuple"},
      {With(R"("tensor_parallel": {"vocab_parallel_lm_head": "yes"})"),
       "error WRONG_TYPE /tensor_parallel/vocab_parallel_lm_head"},
      {With(R"("tensor_parallel": {"vocab_parallel_ce_backend": "triton"})"),
       "error UNKNOWN_VALUE /tensor_parallel/vocab_parallel_ce_backend"},
  });
}

TEST(ReferenceRowsTest, Grain) {
  const std::pair<const char*, int64_t> rows[] = {
      {R"("tp": {})", 1},
      {R"("tp": {"tp_grain_size": 64})", 64},
      {R"("tensor_parallel": {"tp_grain_size": "32"})", 32}};
  for (const auto& [member, grain] : rows) {
    const Reading reading =
        Read(With(absl::StrCat(R"("tensor_parallel": {"autotp_size": 2, )",
                               member, "}")),
             4);
    EXPECT_EQ(reading.result.tensor_parallel.grain, grain) << member;
  }
  Check({{With(R"("tensor_parallel": {"tp": {"tp_grain_size": 0}})"),
          "error OUT_OF_RANGE /tensor_parallel/tp/tp_grain_size"}});
}

TEST(ReferenceRowsTest, VocabularyParallelHead) {
  using enum VocabularyParallel;
  const std::pair<const char*, VocabularyParallel> rows[] = {
      {R"("vocab_parallel_lm_head": true)", kAlways},
      {R"("vocab_parallel_lm_head": false)", kNever},
      {R"("vocab_parallel_lm_head": null)", kUnlessRuled},
      {R"("vocab_parallel_ce_backend": "liger")", kUnlessRuled}};
  for (const auto& [member, parallel] : rows) {
    const Reading reading =
        Read(With(absl::StrCat("\"tensor_parallel\": {\"autotp_size\": 2, ",
                               member, "}")),
             4);
    EXPECT_TRUE(reading.result.training.has_value()) << member;
    EXPECT_EQ(reading.result.tensor_parallel.vocabulary_parallel, parallel)
        << member;
  }
}

TEST(ReferenceRowsTest, ErrorCatalogueOfSpecs) {
  const auto spec = [](const std::string& members) {
    return With(absl::StrCat(
        R"("tensor_parallel": {"autotp_size": 2, "partition_config":
           {"layer_specs": [{"patterns": ["a"], )",
        members, "}]}}"));
  };
  const std::string at = "/tensor_parallel/partition_config/layer_specs/0";
  Check({
      {spec(R"("partition_type": "x")"),
       absl::StrCat("error UNKNOWN_PARTITION_TYPE ", at, "/partition_type")},
      {spec(R"("shape": [2, [1, 1]])"),
       absl::StrCat("error WRONG_TYPE ", at, "/shape/1")},
      {spec(R"("shape": [0, -1])"),
       absl::StrCat("error WRONG_TYPE ", at, "/shape/0")},
      {spec(R"("shape": ["a", -1])"),
       absl::StrCat("error WRONG_TYPE ", at, "/shape/0")},
      // DeepSpeed takes true as 1.
      {spec(R"("shape": [true, -1])"),
       absl::StrCat("error WRONG_TYPE ", at, "/shape/0")},
      {spec(R"("shape": [3, -1], "partition_dim": 2)"),
       absl::StrCat("error PARTITION_DIM_OUT_OF_RANGE ", at, "/shape")},
      {spec(R"("shape": [3, -1], "partition_dim": -1)"),
       absl::StrCat("error OUT_OF_RANGE ", at, "/partition_dim")},
      // DeepSpeed does not implement both together.
      {spec(R"("shape": [3, -1], "gather_output": true)"), ""},
      {spec(R"("patern": ["b"])"),
       absl::StrCat("error UNKNOWN_KEY ", at, "/patern")},
  });
}

}  // namespace
}  // namespace autotp::config
