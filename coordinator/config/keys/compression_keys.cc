// compression_keys.cc -- compression_training and quantize_training. All of
// it is refused; the rows find slips in sections that are switched off.
#include "coordinator/config/keys/key_rows.h"

namespace autotp::config {
namespace {

constexpr absl::string_view kBelongs =
    "belongs to a section that is not supported";

constexpr KeyEntry kRows[] = {
    {"compression_training", "weight_quantization", kSection, "", kNoEffect,
     kBelongs},
    {"compression_training", "activation_quantization", kSection, "", kNoEffect,
     kBelongs},
    {"compression_training", "sparse_pruning", kSection, "", kNoEffect,
     kBelongs},
    {"compression_training", "row_pruning", kSection, "", kNoEffect, kBelongs},
    {"compression_training", "head_pruning", kSection, "", kNoEffect, kBelongs},
    {"compression_training", "channel_pruning", kSection, "", kNoEffect,
     kBelongs},
    {"compression_training", "layer_reduction", kSection, "", kNoEffect,
     kBelongs},

    {"compression_training.weight_quantization", "shared_parameters", kSection,
     "", kNoEffect, kBelongs},
    {"compression_training.weight_quantization", "different_groups", kAnything,
     "", kNoEffect, kBelongs},

    {"compression_training.activation_quantization", "shared_parameters",
     kSection, "", kNoEffect, kBelongs},
    {"compression_training.activation_quantization", "different_groups",
     kAnything, "", kNoEffect, kBelongs},

    {"compression_training.sparse_pruning", "shared_parameters", kSection, "",
     kNoEffect, kBelongs},
    {"compression_training.sparse_pruning", "different_groups", kAnything, "",
     kNoEffect, kBelongs},

    {"compression_training.row_pruning", "shared_parameters", kSection, "",
     kNoEffect, kBelongs},
    {"compression_training.row_pruning", "different_groups", kAnything, "",
     kNoEffect, kBelongs},

    {"compression_training.head_pruning", "shared_parameters", kSection, "",
     kNoEffect, kBelongs},
    {"compression_training.head_pruning", "different_groups", kAnything, "",
     kNoEffect, kBelongs},

    {"compression_training.channel_pruning", "shared_parameters", kSection, "",
     kNoEffect, kBelongs},
    {"compression_training.channel_pruning", "different_groups", kAnything, "",
     kNoEffect, kBelongs},

    {"compression_training.weight_quantization.shared_parameters", "enabled",
     kFlag, "false", kNoEffect, kBelongs},
    {"compression_training.weight_quantization.shared_parameters",
     "quantizer_kernel", kFlag, "false", kNoEffect, kBelongs},
    {"compression_training.weight_quantization.shared_parameters",
     "schedule_offset", kCount, "0", kNoEffect, kBelongs},
    {"compression_training.weight_quantization.shared_parameters",
     "quantize_groups", kPositive, "1", kNoEffect, kBelongs},
    {"compression_training.weight_quantization.shared_parameters",
     "quantize_verbose", kFlag, "false", kNoEffect, kBelongs},
    {"compression_training.weight_quantization.shared_parameters",
     "quantization_type", OneOf("symmetric|asymmetric"), "\"symmetric\"",
     kNoEffect, kBelongs},
    {"compression_training.weight_quantization.shared_parameters", "rounding",
     OneOf("nearest|stochastic"), "\"nearest\"", kNoEffect, kBelongs},
    {"compression_training.weight_quantization.shared_parameters",
     "quantize_weight_in_forward", kFlag, "false", kNoEffect, kBelongs},
    {"compression_training.weight_quantization.shared_parameters",
     "quantization_period", kPositive, "1", kNoEffect, kBelongs},
    {"compression_training.weight_quantization.shared_parameters",
     "fp16_mixed_quantize", kSection, "", kNoEffect, kBelongs},

    {"compression_training.weight_quantization.shared_parameters.fp16_mixed_"
     "quantize",
     "enabled", kFlag, "false", kNoEffect, kBelongs},
    {"compression_training.weight_quantization.shared_parameters.fp16_mixed_"
     "quantize",
     "quantize_change_ratio", kNotNegative, "0.001", kNoEffect, kBelongs},

    {"compression_training.activation_quantization.shared_parameters",
     "enabled", kFlag, "false", kNoEffect, kBelongs},
    {"compression_training.activation_quantization.shared_parameters",
     "schedule_offset", kCount, "1000", kNoEffect, kBelongs},
    {"compression_training.activation_quantization.shared_parameters",
     "quantization_type", OneOf("symmetric|asymmetric"), "\"symmetric\"",
     kNoEffect, kBelongs},
    {"compression_training.activation_quantization.shared_parameters",
     "range_calibration", OneOf("static|dynamic"), "\"dynamic\"", kNoEffect,
     kBelongs},

    {"compression_training.sparse_pruning.shared_parameters", "enabled", kFlag,
     "false", kNoEffect, kBelongs},
    {"compression_training.sparse_pruning.shared_parameters", "schedule_offset",
     kCount, "1000", kNoEffect, kBelongs},
    {"compression_training.sparse_pruning.shared_parameters",
     "schedule_offset_end", kCount, "1000", kNoEffect, kBelongs},
    {"compression_training.sparse_pruning.shared_parameters",
     "schedule_offset_stride", kPositive, "1", kNoEffect, kBelongs},
    {"compression_training.sparse_pruning.shared_parameters", "method",
     OneOf("l1|topk|snip_momentum"), "\"l1\"", kNoEffect, kBelongs},
    {"compression_training.sparse_pruning.shared_parameters", "block_pattern",
     kWord, "\"4x1\"", kNoEffect, kBelongs},
    {"compression_training.sparse_pruning.shared_parameters", "dense_ratio",
     kShare, "0.1", kNoEffect, kBelongs},
    {"compression_training.sparse_pruning.shared_parameters",
     "excluded_modules", kItems, "[]", kNoEffect, kBelongs},

    {"compression_training.row_pruning.shared_parameters", "enabled", kFlag,
     "false", kNoEffect, kBelongs},
    {"compression_training.row_pruning.shared_parameters", "schedule_offset",
     kCount, "1000", kNoEffect, kBelongs},
    {"compression_training.row_pruning.shared_parameters", "method",
     OneOf("l1|topk"), "\"l1\"", kNoEffect, kBelongs},

    {"compression_training.head_pruning.shared_parameters", "enabled", kFlag,
     "false", kNoEffect, kBelongs},
    {"compression_training.head_pruning.shared_parameters", "schedule_offset",
     kCount, "1000", kNoEffect, kBelongs},
    {"compression_training.head_pruning.shared_parameters", "method",
     OneOf("l1|topk"), "\"topk\"", kNoEffect, kBelongs},
    {"compression_training.head_pruning.shared_parameters", "num_heads",
     kPositive, "", kNoEffect, kBelongs},

    {"compression_training.channel_pruning.shared_parameters", "enabled", kFlag,
     "false", kNoEffect, kBelongs},
    {"compression_training.channel_pruning.shared_parameters",
     "schedule_offset", kCount, "1000", kNoEffect, kBelongs},
    {"compression_training.channel_pruning.shared_parameters", "method",
     OneOf("l1|topk"), "\"l1\"", kNoEffect, kBelongs},

    {"compression_training.layer_reduction", "enabled", kFlag, "false",
     kNoEffect, kBelongs},
    {"compression_training.layer_reduction", "keep_number_layer", kPositive, "",
     kNoEffect, kBelongs},
    {"compression_training.layer_reduction", "module_name_prefix", kWord, "",
     kNoEffect, kBelongs},
    {"compression_training.layer_reduction", "teacher_layer", kItems, "",
     kNoEffect, kBelongs},
    {"compression_training.layer_reduction", "other_module_name", kItems, "",
     kNoEffect, kBelongs},

    {"quantize_training", "enabled", kFlag, "false", kNoEffect, kBelongs},
    {"quantize_training", "quantize_verbose", kFlag, "false", kNoEffect,
     kBelongs},
    {"quantize_training", "quantizer_kernel", kFlag, "false", kNoEffect,
     kBelongs},
    {"quantize_training", "quantize_type", OneOf("symmetric|asymmetric"),
     "\"symmetric\"", kNoEffect, kBelongs},
    {"quantize_training", "quantize_bits", kSection, "", kNoEffect, kBelongs},
    {"quantize_training", "quantize_schedule", kSection, "", kNoEffect,
     kBelongs},
    {"quantize_training", "quantize_groups", kPositive, "1", kNoEffect,
     kBelongs},
    {"quantize_training", "fp16_mixed_quantize", kSection, "", kNoEffect,
     kBelongs},
    {"quantize_training", "quantize_algo", kSection, "", kNoEffect, kBelongs},
    {"quantize_training", "eigenvalue", kAnything, "", kNoEffect, kBelongs},

    {"quantize_training.quantize_bits", "start_bits", kPositive, "16",
     kNoEffect, kBelongs},
    {"quantize_training.quantize_bits", "target_bits", kPositive, "8",
     kNoEffect, kBelongs},

    {"quantize_training.quantize_schedule", "quantize_period", kPositive, "100",
     kNoEffect, kBelongs},
    {"quantize_training.quantize_schedule", "schedule_offset", kCount, "100",
     kNoEffect, kBelongs},

    {"quantize_training.fp16_mixed_quantize", "enabled", kFlag, "false",
     kNoEffect, kBelongs},
    {"quantize_training.fp16_mixed_quantize", "quantize_change_ratio",
     kNotNegative, "0.001", kNoEffect, kBelongs},

    {"quantize_training.quantize_algo", "q_type", kWord, "\"symmetric\"",
     kNoEffect, kBelongs},
    {"quantize_training.quantize_algo", "rounding", kWord, "\"nearest\"",
     kNoEffect, kBelongs},
};

}  // namespace

absl::Span<const KeyEntry> CompressionKeys() { return kRows; }

}  // namespace autotp::config
