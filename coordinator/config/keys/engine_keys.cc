// engine_keys.cc -- other ways in which DeepSpeed runs a script: compile,
// elasticity, autotuning, hybrid_engine, pipeline, expert_parallel.
#include "coordinator/config/keys/key_rows.h"

namespace autotp::config {
namespace {

constexpr absl::string_view kCompiler =
    "belongs to torch.compile; a program here is fixed before it runs";
constexpr absl::string_view kBelongs =
    "belongs to a section that is not supported";

constexpr KeyEntry kRows[] = {
    {"compile", "deepcompile", kFlag, "false", kNoEffect, kCompiler},
    {"compile", "passes", kItems, "", kNoEffect, kCompiler},
    {"compile", "free_activation", kFlag, "false", kNoEffect, kCompiler},
    {"compile", "free_activation_threshold", kCount, "10485760", kNoEffect,
     kCompiler},
    {"compile", "offload_activation", kFlag, "false", kNoEffect, kCompiler},
    {"compile", "offload_activation_pin_memory", kFlag, "true", kNoEffect,
     kCompiler},
    {"compile", "offload_opt_states", kFlag, "false", kNoEffect, kCompiler},
    {"compile", "offload_parameters", kFlag, "false", kNoEffect, kCompiler},
    {"compile", "double_buffer", kFlag, "true", kNoEffect, kCompiler},
    {"compile", "symmetric_memory", kFlag, "false", kNoEffect, kCompiler},
    {"compile", "debug_log", kFlag, "false", kNoEffect, kCompiler},
    {"compile", "sync_before_reduce", kFlag, "false", kNoEffect, kCompiler},
    {"compile", "sync_after_reduce", kFlag, "false", kNoEffect, kCompiler},
    {"compile", "sync_before_allgather", kFlag, "false", kNoEffect, kCompiler},
    {"compile", "sync_after_allgather", kFlag, "false", kNoEffect, kCompiler},
    {"compile", "keep_int_input_tensors", kFlag, "true", kNoEffect, kCompiler},
    {"compile", "keep_all_input_tensors", kFlag, "false", kNoEffect, kCompiler},
    {"compile", "enabled", kFlag, "", kNoEffect, kCompiler},
    {"compile", "disable", kFlag, "", kNoEffect, kCompiler},
    {"compile", "backend", kWord, "", kNoEffect, kCompiler},
    {"compile", "kwargs", kAnything, "", kNoEffect, kCompiler},

    {"elasticity", "enabled", kFlag, "false", kNoEffect, kBelongs},
    {"elasticity", "max_train_batch_size", kPositive, "2000", kNoEffect,
     kBelongs},
    {"elasticity", "micro_batch_sizes", kItems, "[2, 4, 6]", kNoEffect,
     kBelongs},
    {"elasticity", "min_gpus", kPositive, "1", kNoEffect, kBelongs},
    {"elasticity", "max_gpus", kPositive, "10000", kNoEffect, kBelongs},
    {"elasticity", "min_time", kCount, "0", kNoEffect, kBelongs},
    {"elasticity", "version", kNotNegative, "0.2", kNoEffect, kBelongs},
    {"elasticity", "prefer_larger_batch", kFlag, "true", kNoEffect, kBelongs},
    {"elasticity", "ignore_non_elastic_batch_info", kFlag, "false", kNoEffect,
     kBelongs},
    {"elasticity", "num_gpus_per_node", kPositive, "1", kNoEffect, kBelongs},
    {"elasticity", "model_parallel_size", kPositive, "1", kNoEffect, kBelongs},

    {"autotuning", "enabled", kFlag, "false", kNoEffect, kBelongs},
    {"autotuning", "fast", kFlag, "true", kNoEffect, kBelongs},
    {"autotuning", "results_dir", kWord, "\"autotuning_results\"", kNoEffect,
     kBelongs},
    {"autotuning", "exps_dir", kWord, "\"autotuning_exps\"", kNoEffect,
     kBelongs},
    {"autotuning", "overwrite", kFlag, "true", kNoEffect, kBelongs},
    {"autotuning", "start_profile_step", kCount, "3", kNoEffect, kBelongs},
    {"autotuning", "end_profile_step", kCount, "5", kNoEffect, kBelongs},
    {"autotuning", "metric",
     OneOf("latency|throughput|flops|forward|backward|step"), "\"throughput\"",
     kNoEffect, kBelongs},
    {"autotuning", "metric_path", kWord, "", kNoEffect, kBelongs},
    {"autotuning", "tuner_type", OneOf("gridsearch|random|model_based"),
     "\"gridsearch\"", kNoEffect, kBelongs},
    {"autotuning", "tuner_early_stopping", kCount, "5", kNoEffect, kBelongs},
    {"autotuning", "tuner_num_trials", kCount, "50", kNoEffect, kBelongs},
    {"autotuning", "arg_mappings", kAnything, "", kNoEffect, kBelongs},
    {"autotuning", "max_train_batch_size", kPositive, "", kNoEffect, kBelongs},
    {"autotuning", "min_train_batch_size", kPositive, "1", kNoEffect, kBelongs},
    {"autotuning", "max_train_micro_batch_size_per_gpu", kPositive, "1024",
     kNoEffect, kBelongs},
    {"autotuning", "min_train_micro_batch_size_per_gpu", kPositive, "1",
     kNoEffect, kBelongs},
    {"autotuning", "num_tuning_micro_batch_sizes", kPositive, "3", kNoEffect,
     kBelongs},
    {"autotuning", "mp_size", kPositive, "1", kNoEffect, kBelongs},
    {"autotuning", "model_info", kSection, "", kNoEffect, kBelongs},
    {"autotuning", "model_info_path", kWord, "", kNoEffect, kBelongs},
    {"autotuning", "template", kAnything, "", kNoEffect, kBelongs},

    {"autotuning.model_info", "profile", kFlag, "false", kNoEffect, kBelongs},
    {"autotuning.model_info", "num_params", kPositive, "", kNoEffect, kBelongs},
    {"autotuning.model_info", "hidden_size", kPositive, "", kNoEffect,
     kBelongs},
    {"autotuning.model_info", "num_layers", kPositive, "", kNoEffect, kBelongs},

    {"hybrid_engine", "enabled", kFlag, "false", kNoEffect, kBelongs},
    {"hybrid_engine", "max_out_tokens", kPositive, "512", kNoEffect, kBelongs},
    {"hybrid_engine", "inference_tp_size", kPositive, "1", kNoEffect, kBelongs},
    {"hybrid_engine", "release_inference_cache", kFlag, "false", kNoEffect,
     kBelongs},
    {"hybrid_engine", "pin_parameters", kFlag, "true", kNoEffect, kBelongs},
    {"hybrid_engine", "tp_gather_partition_size", kPositive, "8", kNoEffect,
     kBelongs},
    {"hybrid_engine", "enable_cuda_graph", kFlag, "false", kNoEffect, kBelongs},

    {"pipeline", "stages", kAnything, "\"auto\"", kNoEffect, kBelongs},
    {"pipeline", "partition", kWord, "\"best\"", kNoEffect, kBelongs},
    {"pipeline", "seed_layers", kFlag, "false", kNoEffect, kBelongs},
    {"pipeline", "activation_checkpoint_interval", kCount, "0", kNoEffect,
     kBelongs},
    {"pipeline", "pipe_partitioned", kFlag, "true", kNoEffect, kBelongs},
    {"pipeline", "grad_partitioned", kFlag, "true", kNoEffect, kBelongs},
    {"pipeline", "use_reentrant", kFlag, "", kNoEffect, kBelongs},
};

}  // namespace

absl::Span<const KeyEntry> EngineKeys() { return kRows; }

}  // namespace autotp::config
