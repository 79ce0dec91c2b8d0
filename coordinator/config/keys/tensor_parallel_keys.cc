// tensor_parallel_keys.cc -- `tensor_parallel`, with its partition_config.
#include "coordinator/config/keys/key_rows.h"

namespace autotp::config {
namespace {

constexpr absl::string_view kInference = "belongs to DeepSpeed's inference";
constexpr absl::string_view kPythonObject =
    "is a Python object of a script; take it out";

constexpr KeyEntry kRows[] = {
    {"tensor_parallel", "autotp_size",
     KeyType{KeyType::Kind::kInteger, 0, 65536}, "0", kHonoured,
     "ranks that share one copy of the model; 0 and 1 mean one"},
    {"tensor_parallel", "preset_model", kWord, "", kHonoured,
     "the rules of a family; an unknown name is an error"},
    {"tensor_parallel", "partition_config", kSection, "", kHonoured,
     "rules of your own"},
    {"tensor_parallel", "vocab_parallel_lm_head", kFlag, "", kHonoured,
     "true: head and loss are cut over the vocabulary, whatever a rule says of "
     "the head; null: embedding, head and loss are, unless a rule says "
     "otherwise; false: they are not, unless a spec of your own cuts them"},
    {"tensor_parallel", "vocab_parallel_ce_backend", OneOf("torch|liger"),
     "\"torch\"", kNoEffect,
     "chooses between two implementations of the same loss"},
    {"tensor_parallel", "tp", kSection, "", kHonoured},
    {"tensor_parallel", "tensor_parallel", kSection, "", kHonoured,
     "another name of tp"},
    {"tensor_parallel", "tp_overlap_comm", kFlag, "false", kNoEffect,
     "changes only when activations are sent, never the numbers"},
    {"tensor_parallel", "dtype", kWord, "", kNoEffect,
     "does nothing in training; use the bf16 section"},
    {"tensor_parallel", "injection_policy_tuple", kAnything, "", kRefused,
     "is overwritten by DeepSpeed as well: write partition_config"},
    {"tensor_parallel", "keep_module_on_host", kFlag, "false", kNoEffect,
     "is about a script's module; each rank reads only its slices"},
    {"tensor_parallel", "replace_with_kernel_inject", kFlag, "false", kNoEffect,
     kInference},
    {"tensor_parallel", "kernel_inject", kFlag, "false", kNoEffect, kInference},

    {"tensor_parallel.tp", "tp_size",
     KeyType{KeyType::Kind::kInteger, 1, 65536}, "1", kHonoured,
     "1, or the same as autotp_size"},
    {"tensor_parallel.tp", "tp_grain_size", kPositive, "1", kHonoured,
     "columns and rows are shared out in multiples of so many, the rest to the "
     "last rank; heads are whole in any case"},
    {"tensor_parallel.tp", "mpu", kAnything, "", kRefusedIfEnabled,
     kPythonObject},
    {"tensor_parallel.tp", "tp_group", kAnything, "", kRefusedIfEnabled,
     kPythonObject},

    {"tensor_parallel.partition_config", "layer_specs", kItems, "[]", kHonoured,
     "tried in this order; the first that matches decides"},
    {"tensor_parallel.partition_config", "use_default_specs", kFlag, "true",
     kHonoured, "the rules of preset_model follow after these"},
    {"tensor_parallel.partition_config", "strict_mode", kFlag, "false",
     kHonoured, "a weight that no rule matches is an error"},
    {"tensor_parallel.partition_config", "tp_size", kPositive, "1", kNoEffect,
     "is overwritten by autotp_size"},
    {"tensor_parallel.partition_config", "embedding_partition_dim", kCount, "1",
     kNoEffect, "is never read by DeepSpeed either"},
    {"tensor_parallel.partition_config", "lm_head_patterns", kItems, "",
     kNoEffect, "is never read by DeepSpeed either"},

    {"tensor_parallel.partition_config.layer_specs", "patterns", kItems, "[]",
     kHonoured,
     "Python regular expressions, matched from the start of the full name"},
    {"tensor_parallel.partition_config.layer_specs", "partition_type", kWord,
     "\"column\"", kHonoured, "column, row or skip, in any case"},
    {"tensor_parallel.partition_config.layer_specs", "gather_output", kFlag,
     "false", kHonoured, "column only"},
    {"tensor_parallel.partition_config.layer_specs", "grad_allreduce", kFlag,
     "false", kHonoured},
    {"tensor_parallel.partition_config.layer_specs", "shape", kItems, "",
     kHonoured, "the blocks of a fused weight"},
    {"tensor_parallel.partition_config.layer_specs", "partition_dim",
     KeyType{KeyType::Kind::kInteger, 0, 16}, "", kHonoured,
     "index into shape: 0 for column, 1 for row and skip"},
    {"tensor_parallel.partition_config.layer_specs", "model_types", kItems, "",
     kHonoured, "families that the rule is for"},
};

}  // namespace

absl::Span<const KeyEntry> TensorParallelKeys() { return kRows; }

}  // namespace autotp::config
