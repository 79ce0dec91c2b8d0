// monitor_keys.cc -- what DeepSpeed reports: monitors, comms_logger,
// flops_profiler and timers.
#include "coordinator/config/keys/key_rows.h"

namespace autotp::config {
namespace {

constexpr absl::string_view kMonitor = "belongs to a monitor of DeepSpeed's";
constexpr absl::string_view kLogger = "belongs to a logger of DeepSpeed's";
constexpr absl::string_view kProfiler = "belongs to a profiler of DeepSpeed's";

constexpr KeyEntry kRows[] = {
    {"tensorboard", "enabled", kFlag, "false", kNoEffect, kMonitor},
    {"tensorboard", "output_path", kWord, "\"\"", kNoEffect, kMonitor},
    {"tensorboard", "job_name", kWord, "\"DeepSpeedJobName\"", kNoEffect,
     kMonitor},

    {"csv_monitor", "enabled", kFlag, "false", kNoEffect, kMonitor},
    {"csv_monitor", "output_path", kWord, "\"\"", kNoEffect, kMonitor},
    {"csv_monitor", "job_name", kWord, "\"DeepSpeedJobName\"", kNoEffect,
     kMonitor},

    {"wandb", "enabled", kFlag, "false", kNoEffect, kMonitor},
    {"wandb", "group", kWord, "", kNoEffect, kMonitor},
    {"wandb", "team", kWord, "", kNoEffect, kMonitor},
    {"wandb", "project", kWord, "\"deepspeed\"", kNoEffect, kMonitor},

    {"comet", "enabled", kFlag, "false", kNoEffect, kMonitor},
    {"comet", "samples_log_interval", kPositive, "100", kNoEffect, kMonitor},
    {"comet", "project", kWord, "", kNoEffect, kMonitor},
    {"comet", "workspace", kWord, "", kNoEffect, kMonitor},
    {"comet", "api_key", kWord, "", kNoEffect, kMonitor},
    {"comet", "experiment_name", kWord, "", kNoEffect, kMonitor},
    {"comet", "experiment_key", kWord, "", kNoEffect, kMonitor},
    {"comet", "online", kFlag, "", kNoEffect, kMonitor},
    {"comet", "mode", kWord, "", kNoEffect, kMonitor},

    {"comms_logger", "enabled", kFlag, "false", kNoEffect, kLogger},
    {"comms_logger", "verbose", kFlag, "false", kNoEffect, kLogger},
    {"comms_logger", "prof_all", kFlag, "true", kNoEffect, kLogger},
    {"comms_logger", "debug", kFlag, "false", kNoEffect, kLogger},
    {"comms_logger", "prof_ops", kItems, "[]", kNoEffect, kLogger},

    {"flops_profiler", "enabled", kFlag, "false", kNoEffect, kProfiler},
    {"flops_profiler", "recompute_fwd_factor", kNotNegative, "0.0", kNoEffect,
     kProfiler},
    {"flops_profiler", "profile_step", kCount, "1", kNoEffect, kProfiler},
    {"flops_profiler", "module_depth", KeyType{KeyType::Kind::kInteger, -1},
     "-1", kNoEffect, kProfiler},
    {"flops_profiler", "top_modules", kCount, "1", kNoEffect, kProfiler},
    {"flops_profiler", "detailed", kFlag, "true", kNoEffect, kProfiler},
    {"flops_profiler", "output_file", kWord, "", kNoEffect, kProfiler},

    {"timers", "throughput", kSection, "", kNoEffect, kLogger},

    {"timers.throughput", "enabled", kFlag, "true", kNoEffect, kLogger},
    {"timers.throughput", "synchronized", kFlag, "true", kNoEffect, kLogger},
};

}  // namespace

absl::Span<const KeyEntry> MonitorKeys() { return kRows; }

}  // namespace autotp::config
