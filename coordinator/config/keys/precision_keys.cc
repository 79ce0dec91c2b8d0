// precision_keys.cc -- bf16, fp16, amp, torch_autocast and data_types.
#include "coordinator/config/keys/key_rows.h"

namespace autotp::config {
namespace {

constexpr absl::string_view kOtherMaster =
    "is not supported: master weights, gradients and optimizer states are "
    "fp32; leave it false";
constexpr absl::string_view kLossScale =
    "scales the loss of fp16, which is not run";
constexpr absl::string_view kBelongsToOff =
    "belongs to a section that is not supported";

constexpr KeyEntry kRows[] = {
    {"bf16", "enabled", kFlag, "false", kHonoured,
     "computes in bf16, with fp32 master weights"},
    {"bf16", "immediate_grad_update", kFlag, "false", kNoEffect,
     "changes only when gradients are added up"},
    {"bf16", "check_grad_overflow", kFlag, "true", kNoEffect,
     "skips steps in silence; a loss that is not finite ends the job here"},
    {"bf16", "bf16_master_weights_and_grads", kFlag, "false", kRefusedIfEnabled,
     kOtherMaster},
    {"bf16", "bf16_optimizer_states", kFlag, "false", kRefusedIfEnabled,
     kOtherMaster},
    {"bf16", "auto_cast", kFlag, "false", kNoEffect,
     "casts a script's inputs; the inputs here are token ids"},

    {"fp16", "enabled", kFlag, "false", kRefusedIfEnabled,
     "is not supported yet: use \"bf16\": {\"enabled\": true}, or no "
     "precision section for fp32"},
    {"fp16", "auto_cast", kFlag, "false", kNoEffect,
     "casts a script's inputs; the inputs here are token ids"},
    {"fp16", "loss_scale", kNotNegative, "0", kNoEffect, kLossScale},
    {"fp16", "initial_scale_power", kCount, "16", kNoEffect, kLossScale},
    {"fp16", "loss_scale_window", kPositive, "1000", kNoEffect, kLossScale},
    {"fp16", "hysteresis", kPositive, "2", kNoEffect, kLossScale},
    {"fp16", "consecutive_hysteresis", kFlag, "false", kNoEffect, kLossScale},
    {"fp16", "min_loss_scale", kNotNegative, "1", kNoEffect, kLossScale},
    {"fp16", "fp16_master_weights_and_grads", kFlag, "false", kRefusedIfEnabled,
     kOtherMaster},
    {"fp16", "opt_level", kWord, "", kNoEffect,
     "is a word of apex's amp, which DeepSpeed's fp16 does not use"},

    {"data_types", "grad_accum_dtype", kDataType, "", kHonoured,
     "fp32 only: gradients are added up in fp32"},
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
