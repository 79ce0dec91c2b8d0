// precision_keys.cc -- bf16, fp16, amp, torch_autocast and data_types.
#include "coordinator/config/keys/key_rows.h"

namespace autotp::config {
namespace {

constexpr KeyType kScalePower{KeyType::Kind::kInteger, 0, 127};
constexpr absl::string_view kBelongsToOff =
    "belongs to a section that is not supported";

constexpr KeyEntry kRows[] = {
    {"bf16", "enabled", kFlag, "false", kHonoured,
     "computes in bf16, with fp32 master weights"},
    {"bf16", "immediate_grad_update", kFlag, "false", kNoEffect,
     "changes only when gradients are added up"},
    {"bf16", "check_grad_overflow", kFlag, "true", kHonoured,
     "a step whose gradient is not finite is skipped on all ranks, at every "
     "stage; false: it ends the job"},
    {"bf16", "bf16_master_weights_and_grads", kFlag, "false", kHonoured,
     "updates the bf16 weights themselves, rounded stochastically; gradients "
     "are added up in bf16 unless grad_accum_dtype says otherwise"},
    {"bf16", "bf16_optimizer_states", kFlag, "false", kHonoured,
     "keeps the optimizer's states in bf16, rounded stochastically"},
    {"bf16", "auto_cast", kFlag, "false", kNoEffect,
     "casts a script's inputs; the inputs here are token ids"},

    {"fp16", "enabled", kFlag, "false", kHonoured,
     "computes in fp16, with fp32 master weights and a scaled loss"},
    {"fp16", "auto_cast", kFlag, "false", kNoEffect,
     "casts a script's inputs; the inputs here are token ids"},
    {"fp16", "loss_scale", kNotNegative, "0", kHonoured,
     "what the loss is multiplied by before the backward; 0: a scale that "
     "adapts"},
    {"fp16", "initial_scale_power", kScalePower, "16", kHonoured,
     "the first scale, as a power of two"},
    {"fp16", "loss_scale_window", kPositive, "1000", kHonoured,
     "steps without overflow between two doublings"},
    {"fp16", "hysteresis", kPositive, "2", kHonoured,
     "overflows until the scale is halved; at every stage, while DeepSpeed's "
     "stage 0 halves at each"},
    {"fp16", "consecutive_hysteresis", kFlag, "false", kHonoured,
     "a step without overflow restores the hysteresis"},
    {"fp16", "min_loss_scale", kCount, "1", kHonoured,
     "the smallest scale, at least 1: an overflow there ends the job"},
    {"fp16", "fp16_master_weights_and_grads", kFlag, "false", kHonoured,
     "updates the fp16 weights themselves, rounded stochastically; gradients "
     "are added up in fp16 unless grad_accum_dtype says otherwise"},
    {"fp16", "opt_level", kWord, "", kNoEffect,
     "is a word of apex's amp, which DeepSpeed's fp16 does not use"},

    {"data_types", "grad_accum_dtype", kDataType, "", kHonoured,
     "in which micro-steps' gradients are added up and kept; fp32 where "
     "nothing is written, while DeepSpeed takes the model's type"},
    {"data_types", "param_dtype", kDataType, "", kHonoured,
     "must agree with the bf16 and fp16 sections, which decide"},
    {"data_types", "buffer_dtype", kDataType, "", kNoEffect,
     "is fixed: rotary tables are fp32"},

    {"amp", "enabled", kFlag, "false", kNoEffect, kBelongsToOff},
    {"amp", "opt_level", kWord, "", kNoEffect, kBelongsToOff},
    {"amp", "loss_scale", kAnything, "", kNoEffect, kBelongsToOff},
    {"amp", "keep_batchnorm_fp32", kAnything, "", kNoEffect, kBelongsToOff},
    {"amp", "master_weights", kAnything, "", kNoEffect, kBelongsToOff},
    {"amp", "cast_model_type", kAnything, "", kNoEffect, kBelongsToOff},
    {"amp", "patch_torch_functions", kAnything, "", kNoEffect, kBelongsToOff},
    {"amp", "num_losses", kPositive, "", kNoEffect, kBelongsToOff},
    {"amp", "verbosity", kCount, "", kNoEffect, kBelongsToOff},
    {"amp", "min_loss_scale", kAnything, "", kNoEffect, kBelongsToOff},
    {"amp", "max_loss_scale", kAnything, "", kNoEffect, kBelongsToOff},
    {"torch_autocast", "enabled", kFlag, "false", kNoEffect, kBelongsToOff},
    {"torch_autocast", "dtype", kWord, "", kNoEffect, kBelongsToOff},
    {"torch_autocast", "lower_precision_safe_modules", kItems, "", kNoEffect,
     kBelongsToOff},
};

}  // namespace

absl::Span<const KeyEntry> PrecisionKeys() { return kRows; }

}  // namespace autotp::config
