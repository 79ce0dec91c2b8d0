// planner.h -- from what a user asks for to everything that follows from it.
//
// Flow: rpc/ (ValidateJob, CreateJob) -> MakePlan() -> config/ reads the
// DeepSpeed JSON, model/ builds the program, plan/ finds the rules,
// partition/ makes the local programs.
//
// Reads the model folder's config.json and safetensors headers and the data
// file's size; writes nothing. Any thread.
#ifndef AUTOTP_COORDINATOR_PLANNER_PLANNER_H_
#define AUTOTP_COORDINATOR_PLANNER_PLANNER_H_

#include <optional>
#include <string>
#include <vector>

#include "autotp/v1/common.pb.h"
#include "autotp/v1/job.pb.h"
#include "autotp/v1/job_service.pb.h"
#include "autotp/v1/planned_job.pb.h"
#include "autotp/v1/tune.pb.h"

namespace autotp::planner {

struct PlanResult {
  bool valid = false;  // no diagnostic is an error
  std::vector<v1::Diagnostic> diagnostics;
  std::string effective_config_json;
  std::vector<v1::ConfigValue> effective_values;  // of it, with origins
  v1::PlannedJob planned;  // complete only if valid; else as far as it got
  std::optional<v1::TuneResult> tuned;  // if asked for and valid
};

struct PlanOptions {
  // False: plan the model and the config only (a dry run without data, steps
  // or an output folder).
  bool check_run_settings = true;
  std::optional<v1::TuneRequest> tune;  // also rank the world's layouts
};

PlanResult MakePlan(const v1::JobSpec& spec, const PlanOptions& options);

}  // namespace autotp::planner

#endif  // AUTOTP_COORDINATOR_PLANNER_PLANNER_H_
