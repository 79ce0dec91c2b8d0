// effective_update.h -- the optimizer and the schedule as sections of a
// DeepSpeed JSON, every value written out.
#ifndef AUTOTP_COORDINATOR_CONFIG_EFFECTIVE_UPDATE_H_
#define AUTOTP_COORDINATOR_CONFIG_EFFECTIVE_UPDATE_H_

#include <nlohmann/json.hpp>

#include "autotp/v1/training.pb.h"

namespace autotp::config {

nlohmann::ordered_json OptimizerJson(const v1::OptimizerConfig& optimizer);
// REQUIRES: not constant, which has no section.
nlohmann::ordered_json SchedulerJson(const v1::ScheduleConfig& schedule);

}  // namespace autotp::config

#endif  // AUTOTP_COORDINATOR_CONFIG_EFFECTIVE_UPDATE_H_
