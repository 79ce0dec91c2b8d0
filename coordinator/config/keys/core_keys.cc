// core_keys.cc -- the top level of the document.
#include "coordinator/config/keys/key_rows.h"

namespace autotp::config {
namespace {

constexpr absl::string_view kReported =
    "is a switch of DeepSpeed's own logs; read progress with `autotp watch` "
    "and `autotp metrics`";
constexpr absl::string_view kOrderOnly =
    "changes only the order of scaling and summing gradients";
constexpr absl::string_view kNotHere = "is not supported; take the section out";

constexpr KeyEntry kRows[] = {
    {"", "train_batch_size", kPositive, "", kHonoured,
     "sequences in one optimizer step: micro-batch x accumulation x "
     "data-parallel size"},
    {"", "train_micro_batch_size_per_gpu", kPositive, "", kHonoured,
     "sequences in one forward of one data-parallel rank"},
    {"", "gradient_accumulation_steps", kPositive, "", kHonoured,
     "micro-batches in one optimizer step"},
    {"", "gradient_clipping", kNotNegative, "1.0", kHonoured,
     "largest norm of all gradients together; 0 turns it off"},
    {"", "optimizer", kSection},
    {"", "scheduler", kSection},
    {"", "bf16", kSection},
    {"", "bfloat16", kSection, "", kHonoured, "the older name of bf16"},
    {"", "fp16", kSection},
    {"", "zero_optimization", kSection},
    {"", "tensor_parallel", kSection},
    {"", "data_types", kSection},
    {"", "zero_allow_untested_optimizer", kFlag, "false", kHonoured,
     "lets ZeRO run with an optimizer outside DeepSpeed's list"},
    {"", "prescale_gradients", kFlag, "false", kNoEffect, kOrderOnly},
    {"", "gradient_predivide_factor", kReal, "1.0", kNoEffect, kOrderOnly},
    {"", "gradient_allreduce_op", OneOf("mean|sum"), "\"mean\"", kHonoured,
     "mean only: a sum is refused"},
    {"", "managed_gradient_accumulation", kFlag, "true", kNoEffect,
     "leaves the accumulation to a script; the trainer always does it"},
    {"", "amp", kSection, "", kRefusedIfEnabled,
     "is not supported: use \"bf16\": {\"enabled\": true}"},
    {"", "torch_autocast", kSection, "", kRefusedIfEnabled,
     "is not supported: use \"bf16\": {\"enabled\": true}"},
    {"", "steps_per_print", kNotNegative, "", kNoEffect, kReported},
    {"", "wall_clock_breakdown", kFlag, "false", kNoEffect, kReported},
    {"", "memory_breakdown", kFlag, "false", kNoEffect, kReported},
    {"", "dump_state", kFlag, "false", kNoEffect, kReported},
    {"", "log_level", kWord, "", kNoEffect, kReported},
    {"", "communication_data_type", kDataType, "", kHonoured,
     "in which ranks exchange gradients; fp32 where nothing is written, while "
     "DeepSpeed takes the model's type"},
    {"", "seq_parallel_communication_data_type", kDataType, "\"fp32\"",
     kNoEffect, "belongs to DeepSpeed's sequence parallelism"},
    {"", "sparse_gradients", kFlag, "false", kNoEffect,
     "chooses another form of the same numbers; gradients are dense"},
    {"", "disable_allgather", kFlag, "false", kNoEffect,
     "does nothing in DeepSpeed either"},
    {"", "dataloader_drop_last", kFlag, "false", kNoEffect,
     "is about a script's loader; every global batch here is full"},
    {"", "zero_force_ds_cpu_optimizer", kFlag, "true", kNoEffect,
     "chooses between two implementations of the same optimizer"},
    {"", "vocabulary_size", kPositive, "", kNoEffect,
     "only warns in DeepSpeed; the model's config.json is read instead"},
    {"", "graph_harvesting", kFlag, "false", kNoEffect,
     "is a switch for CUDA graphs"},
    {"", "use_data_before_expert_parallelism", kFlag, "false", kNoEffect,
     "orders the ranks of expert parallelism, which is not done"},
    {"", "sequence_parallel_size", kPositive, "1", kRefusedIfEnabled,
     "is DeepSpeed's sequence parallelism, which is not supported: raise "
     "tensor_parallel.autotp_size"},
    {"", "activation_checkpointing", kSection, "", kNoEffect,
     "acts only on models that call DeepSpeed's checkpoint function; here "
     "--recompute says what is computed again"},
    {"", "checkpoint", kSection, "", kNoEffect,
     "is about DeepSpeed's own files; a checkpoint here resumes at any "
     "layout"},
    {"", "tensorboard", kSection, "", kNoEffect,
     "is a monitor of DeepSpeed's; read `autotp metrics`"},
    {"", "csv_monitor", kSection, "", kNoEffect,
     "is a monitor of DeepSpeed's; read `autotp metrics`"},
    {"", "wandb", kSection, "", kNoEffect,
     "is a monitor of DeepSpeed's; read `autotp metrics`"},
    {"", "comet", kSection, "", kNoEffect,
     "is a monitor of DeepSpeed's; read `autotp metrics`"},
    {"", "comms_logger", kSection, "", kNoEffect,
     "logs DeepSpeed's collectives; `autotp plan` lists those that run here"},
    {"", "flops_profiler", kSection, "", kNoEffect,
     "is a profiler of DeepSpeed's; `autotp plan` prints the FLOPs"},
    {"", "timers", kSection, "", kNoEffect, kReported},
    {"", "compile", kSection, "", kNoEffect,
     "is torch.compile's; a program here is fixed before it runs"},
    {"", "aio", kSection, "", kNoEffect,
     "tunes offloading to disk, which is not done"},
    {"", "nebula", kSection, "", kNoEffect,
     "is a storage service for DeepSpeed's checkpoints; here the output "
     "folder holds them"},
    {"", "datastates_ckpt", kAnything, "", kNoEffect,
     "is a writer of DeepSpeed's checkpoints; here snapshots are written "
     "beside the training anyway"},
    {"", "autotuning", kSection, "", kRefusedIfEnabled,
     "launches runs of a script: compare layouts with `autotp plan` instead"},
    {"", "elasticity", kSection, "", kRefusedIfEnabled,
     "chooses the batch by the number of GPUs: write the batch sizes; a "
     "checkpoint here resumes on any number of ranks"},
    {"", "data_efficiency", kSection, "", kRefusedIfEnabled,
     "changes which tokens are trained on; prepare the data set accordingly"},
    {"", "curriculum_learning", kSection, "", kRefusedIfEnabled,
     "changes which tokens are trained on; prepare the data set accordingly"},
    {"", "progressive_layer_drop", kSection, "", kRefusedIfEnabled,
     "changes the model while it trains; take the section out"},
    {"", "eigenvalue", kSection, "", kRefusedIfEnabled, kNotHere},
    {"", "quantize_training", kSection, "", kRefusedIfEnabled,
     "trains another model than the one given; take the section out"},
    {"", "weight_quantization", kAnything, "", kRefused,
     "trains another model than the one given; take the section out"},
    {"", "compression_training", kSection, "", kRefused,
     "trains another model than the one given; take the section out"},
    {"", "sparse_attention", kSection, "", kRefused,
     "replaces the model's attention; take the section out"},
    {"", "pipeline", kSection, "", kRefused,
     "is pipeline parallelism, which is not supported: raise "
     "tensor_parallel.autotp_size instead"},
    {"", "hybrid_engine", kSection, "", kRefusedIfEnabled,
     "switches a script between training and generation; take the section "
     "out"},
    {"", "expert_parallel", kSection, "", kRefusedIfEnabled,
     "is not supported: tensor_parallel cuts the experts of a model too"},
    {"", "seed", kWhole, "", kRefused,
     "is no key of DeepSpeed's: give the seed to the job (`--seed`)"},
};

}  // namespace

absl::Span<const KeyEntry> CoreKeys() { return kRows; }

}  // namespace autotp::config
