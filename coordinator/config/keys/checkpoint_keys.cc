// checkpoint_keys.cc -- activation_checkpointing, checkpoint, nebula and aio.
#include "coordinator/config/keys/key_rows.h"

namespace autotp::config {
namespace {

constexpr absl::string_view kScriptCheckpoints =
    "acts only on models that call DeepSpeed's checkpoint function; here "
    "--recompute says what is computed again";
constexpr absl::string_view kOwnFiles = "is about DeepSpeed's own files";
constexpr absl::string_view kDisk =
    "tunes offloading to disk, which is not done";

constexpr KeyEntry kRows[] = {
    {"activation_checkpointing", "partition_activations", kFlag, "false",
     kNoEffect, kScriptCheckpoints},
    {"activation_checkpointing", "cpu_checkpointing", kFlag, "false", kNoEffect,
     kScriptCheckpoints},
    {"activation_checkpointing", "contiguous_memory_optimization", kFlag,
     "false", kNoEffect, kScriptCheckpoints},
    {"activation_checkpointing", "synchronize_checkpoint_boundary", kFlag,
     "false", kNoEffect, kScriptCheckpoints},
    {"activation_checkpointing", "profile", kFlag, "false", kNoEffect,
     kScriptCheckpoints},
    {"activation_checkpointing", "number_checkpoints", kPositive, "", kNoEffect,
     kScriptCheckpoints},

    {"checkpoint", "tag_validation", OneOf("Ignore|Warn|Fail"), "\"Warn\"",
     kNoEffect, kOwnFiles},
    {"checkpoint", "load_universal", kFlag, "false", kNoEffect, kOwnFiles},
    {"checkpoint", "use_node_local_storage", kFlag, "false", kNoEffect,
     kOwnFiles},
    {"checkpoint", "parallel_write", kSection, "", kNoEffect, kOwnFiles},
    {"checkpoint", "checkpoint_serialization", kFlag, "true", kNoEffect,
     kOwnFiles},
    {"checkpoint", "writer", kSection, "", kNoEffect, kOwnFiles},

    {"checkpoint.parallel_write", "pipeline_stage", kFlag, "false", kNoEffect,
     kOwnFiles},

    {"checkpoint.writer", "type", OneOf("mock|python|fast"), "\"FAST\"",
     kNoEffect, kOwnFiles},
    {"checkpoint.writer", "io_buffer_size", kPositive, "67108864", kNoEffect,
     kOwnFiles},
    {"checkpoint.writer", "io_buffer_double", kFlag, "true", kNoEffect,
     kOwnFiles},
    {"checkpoint.writer", "io_multiplier", kPositive, "1", kNoEffect,
     kOwnFiles},
    {"checkpoint.writer", "show_statistics", kFlag, "false", kNoEffect,
     kOwnFiles},
    {"checkpoint.writer", "data_parallel", OneOf("replica|socket|machine"), "",
     kNoEffect, kOwnFiles},
    {"checkpoint.writer", "decoupled", kFlag, "false", kNoEffect, kOwnFiles},

    {"nebula", "enabled", kFlag, "false", kNoEffect, kOwnFiles},
    {"nebula", "enable_nebula_load", kFlag, "true", kNoEffect, kOwnFiles},
    {"nebula", "nebula_load_path", kWord, "", kNoEffect, kOwnFiles},
    {"nebula", "persistent_storage_path", kWord, "", kNoEffect, kOwnFiles},
    {"nebula", "persistent_time_interval", kCount, "100", kNoEffect, kOwnFiles},
    {"nebula", "num_of_version_in_retention", kCount, "2", kNoEffect,
     kOwnFiles},

    {"aio", "block_size", kPositive, "1048576", kNoEffect, kDisk},
    {"aio", "queue_depth", kPositive, "8", kNoEffect, kDisk},
    {"aio", "intra_op_parallelism", kPositive, "1", kNoEffect, kDisk},
    {"aio", "thread_count", kPositive, "1", kNoEffect, kDisk},
    {"aio", "single_submit", kFlag, "false", kNoEffect, kDisk},
    {"aio", "overlap_events", kFlag, "true", kNoEffect, kDisk},
    {"aio", "use_gds", kFlag, "false", kNoEffect, kDisk},
};

}  // namespace

absl::Span<const KeyEntry> CheckpointKeys() { return kRows; }

}  // namespace autotp::config
