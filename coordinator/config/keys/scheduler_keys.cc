// scheduler_keys.cc -- `scheduler`, the values of its `type`, and the
// parameters of each.
#include "coordinator/config/keys/key_rows.h"

namespace autotp::config {
namespace {

constexpr absl::string_view kTorchOnly =
    "is one of torch.optim.lr_scheduler's that are not supported: use "
    "\"WarmupDecayLR\" or \"WarmupCosineLR\"";
constexpr absl::string_view kVerbose = "prints the rate; see the metrics";
constexpr absl::string_view kOfTorch = "of torch.optim.lr_scheduler";
constexpr absl::string_view kRestored =
    "is restored from the checkpoint on resume";

constexpr KeyEntry kRows[] = {
    {"scheduler", "type", kWord, "", kHonoured, "see below"},
    {"scheduler", "params", kSection, "", kHonoured, "see the types below"},

    {"scheduler.type", "WarmupLR", kAnything},
    {"scheduler.type", "WarmupDecayLR", kAnything},
    {"scheduler.type", "WarmupCosineLR", kAnything},
    {"scheduler.type", "LRRangeTest", kAnything},
    {"scheduler.type", "OneCycle", kAnything, "", kHonoured,
     "cycles the first beta of Adam, Lamb and Lion, with 0.99 as the second"},
    {"scheduler.type", "ConstantLR", kAnything, "", kHonoured, kOfTorch},
    {"scheduler.type", "CosineAnnealingLR", kAnything, "", kHonoured, kOfTorch},
    {"scheduler.type", "CosineAnnealingWarmRestarts", kAnything, "", kHonoured,
     kOfTorch},
    {"scheduler.type", "ExponentialLR", kAnything, "", kHonoured, kOfTorch},
    {"scheduler.type", "LinearLR", kAnything, "", kHonoured, kOfTorch},
    {"scheduler.type", "MultiStepLR", kAnything, "", kHonoured, kOfTorch},
    {"scheduler.type", "PolynomialLR", kAnything, "", kHonoured, kOfTorch},
    {"scheduler.type", "StepLR", kAnything, "", kHonoured, kOfTorch},
    {"scheduler.type", "CyclicLR", kAnything, "", kRefused, kTorchOnly},
    {"scheduler.type", "LambdaLR", kAnything, "", kRefused, kTorchOnly},
    {"scheduler.type", "MultiplicativeLR", kAnything, "", kRefused, kTorchOnly},
    {"scheduler.type", "OneCycleLR", kAnything, "", kRefused, kTorchOnly},
    {"scheduler.type", "ReduceLROnPlateau", kAnything, "", kRefused,
     kTorchOnly},

    {"scheduler.params.LRRangeTest", "lr_range_test_min_lr", kNotNegative,
     "0.001"},
    {"scheduler.params.LRRangeTest", "lr_range_test_step_size", kPositive,
     "2000"},
    {"scheduler.params.LRRangeTest", "lr_range_test_step_rate", kNotNegative,
     "1.0"},
    {"scheduler.params.LRRangeTest", "lr_range_test_staircase", kFlag, "false"},
    {"scheduler.params.LRRangeTest", "last_batch_iteration", kWhole, "-1",
     kNoEffect, kRestored},

    {"scheduler.params.OneCycle", "cycle_min_lr", kNotNegative, "", kHonoured,
     "needed"},
    {"scheduler.params.OneCycle", "cycle_max_lr", kNotNegative, "", kHonoured,
     "needed"},
    {"scheduler.params.OneCycle", "decay_lr_rate", kNotNegative, "0.0"},
    {"scheduler.params.OneCycle", "cycle_first_step_size", kPositive, "2000"},
    {"scheduler.params.OneCycle", "cycle_second_step_size", kCount, "",
     kHonoured, "the first where nothing is said"},
    {"scheduler.params.OneCycle", "cycle_first_stair_count", kCount, "0"},
    {"scheduler.params.OneCycle", "cycle_second_stair_count", kCount, "",
     kHonoured, "the first where nothing is said"},
    {"scheduler.params.OneCycle", "decay_step_size", kCount, "0"},
    {"scheduler.params.OneCycle", "cycle_momentum", kFlag, "true"},
    {"scheduler.params.OneCycle", "cycle_min_mom", kShare, "0.8"},
    {"scheduler.params.OneCycle", "cycle_max_mom", kShare, "0.9"},
    {"scheduler.params.OneCycle", "decay_mom_rate", kNotNegative, "0.0"},
    {"scheduler.params.OneCycle", "last_batch_iteration", kWhole, "-1",
     kNoEffect, kRestored},

    {"scheduler.params.WarmupLR", "warmup_min_lr", kNotNegative, "0.0"},
    {"scheduler.params.WarmupLR", "warmup_max_lr", kNotNegative, "", kHonoured,
     "the optimizer's lr where nothing is said"},
    {"scheduler.params.WarmupLR", "warmup_num_steps", kPositive, "1000"},
    {"scheduler.params.WarmupLR", "warmup_type", OneOf("log|linear"),
     "\"log\""},
    {"scheduler.params.WarmupLR", "last_batch_iteration", kWhole, "-1",
     kNoEffect, kRestored},

    {"scheduler.params.WarmupDecayLR", "total_num_steps", kPositive, "",
     kHonoured, "needed"},
    {"scheduler.params.WarmupDecayLR", "warmup_min_lr", kNotNegative, "0.0"},
    {"scheduler.params.WarmupDecayLR", "warmup_max_lr", kNotNegative, "0.001"},
    {"scheduler.params.WarmupDecayLR", "warmup_num_steps", kPositive, "1000"},
    {"scheduler.params.WarmupDecayLR", "warmup_type", OneOf("log|linear"),
     "\"log\""},
    {"scheduler.params.WarmupDecayLR", "last_batch_iteration", kWhole, "-1",
     kNoEffect, kRestored},

    {"scheduler.params.WarmupCosineLR", "total_num_steps", kPositive, "",
     kHonoured, "needed"},
    {"scheduler.params.WarmupCosineLR", "warmup_min_ratio", kNotNegative,
     "0.0"},
    {"scheduler.params.WarmupCosineLR", "cos_min_ratio", kNotNegative,
     "0.0001"},
    {"scheduler.params.WarmupCosineLR", "warmup_num_steps", kPositive, "1000"},
    {"scheduler.params.WarmupCosineLR", "warmup_type", OneOf("log|linear"),
     "\"log\""},
    {"scheduler.params.WarmupCosineLR", "last_batch_iteration", kWhole, "-1",
     kNoEffect, kRestored},

    {"scheduler.params.ConstantLR", "factor", kShare, "0.3333333333333333"},
    {"scheduler.params.ConstantLR", "total_iters", kPositive, "5"},
    {"scheduler.params.ConstantLR", "last_epoch", kWhole, "-1", kNoEffect,
     kRestored},
    {"scheduler.params.ConstantLR", "verbose", kFlag, "false", kNoEffect,
     kVerbose},

    {"scheduler.params.CosineAnnealingLR", "T_max", kPositive, "", kHonoured,
     "needed"},
    {"scheduler.params.CosineAnnealingLR", "eta_min", kNotNegative, "0.0"},
    {"scheduler.params.CosineAnnealingLR", "last_epoch", kWhole, "-1",
     kNoEffect, kRestored},
    {"scheduler.params.CosineAnnealingLR", "verbose", kFlag, "false", kNoEffect,
     kVerbose},

    {"scheduler.params.CosineAnnealingWarmRestarts", "T_0", kPositive, "",
     kHonoured, "needed"},
    {"scheduler.params.CosineAnnealingWarmRestarts", "T_mult", kPositive, "1"},
    {"scheduler.params.CosineAnnealingWarmRestarts", "eta_min", kNotNegative,
     "0.0"},
    {"scheduler.params.CosineAnnealingWarmRestarts", "last_epoch", kWhole, "-1",
     kNoEffect, kRestored},
    {"scheduler.params.CosineAnnealingWarmRestarts", "verbose", kFlag, "false",
     kNoEffect, kVerbose},

    {"scheduler.params.ExponentialLR", "gamma", kNotNegative, "", kHonoured,
     "needed"},
    {"scheduler.params.ExponentialLR", "last_epoch", kWhole, "-1", kNoEffect,
     kRestored},
    {"scheduler.params.ExponentialLR", "verbose", kFlag, "false", kNoEffect,
     kVerbose},

    {"scheduler.params.LinearLR", "start_factor", kShare, "0.3333333333333333"},
    {"scheduler.params.LinearLR", "end_factor", kShare, "1.0"},
    {"scheduler.params.LinearLR", "total_iters", kPositive, "5"},
    {"scheduler.params.LinearLR", "last_epoch", kWhole, "-1", kNoEffect,
     kRestored},
    {"scheduler.params.LinearLR", "verbose", kFlag, "false", kNoEffect,
     kVerbose},

    {"scheduler.params.MultiStepLR", "milestones", kItems, "", kHonoured,
     "needed"},
    {"scheduler.params.MultiStepLR", "gamma", kNotNegative, "0.1"},
    {"scheduler.params.MultiStepLR", "last_epoch", kWhole, "-1", kNoEffect,
     kRestored},
    {"scheduler.params.MultiStepLR", "verbose", kFlag, "false", kNoEffect,
     kVerbose},

    {"scheduler.params.PolynomialLR", "total_iters", kPositive, "5"},
    {"scheduler.params.PolynomialLR", "power", kNotNegative, "1.0"},
    {"scheduler.params.PolynomialLR", "last_epoch", kWhole, "-1", kNoEffect,
     kRestored},
    {"scheduler.params.PolynomialLR", "verbose", kFlag, "false", kNoEffect,
     kVerbose},

    {"scheduler.params.StepLR", "step_size", kPositive, "", kHonoured,
     "needed"},
    {"scheduler.params.StepLR", "gamma", kNotNegative, "0.1"},
    {"scheduler.params.StepLR", "last_epoch", kWhole, "-1", kNoEffect,
     kRestored},
    {"scheduler.params.StepLR", "verbose", kFlag, "false", kNoEffect, kVerbose},
};

}  // namespace

absl::Span<const KeyEntry> SchedulerKeys() { return kRows; }

}  // namespace autotp::config
