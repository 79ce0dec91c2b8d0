// plan_answers.h -- answers of ValidateJob for models that are generated, as
// the coordinator would give them: no weights, no server.
#ifndef AUTOTP_TESTS_UNIT_CLIENT_CLI_PLAN_ANSWERS_H_
#define AUTOTP_TESTS_UNIT_CLIENT_CLI_PLAN_ANSWERS_H_

#include <string>

#include "autotp/v1/job_service.pb.h"
#include "nlohmann/json.hpp"

namespace autotp::cli {

// config.json of a llama with these sizes; `changes` are merged in.
nlohmann::json TinyLlama(const nlohmann::json& changes = {});
nlohmann::json Llama8B();
nlohmann::json Llama405B();

struct PlanQuestion {
  nlohmann::json model;   // config.json
  nlohmann::json config;  // DeepSpeed
  int world_size = 1;
  int64_t sequence_length = 2048;
  v1::TuneRequest tune;
};

// The test fails if the job is not valid.
v1::ValidateJobResponse Answer(const PlanQuestion& question);

}  // namespace autotp::cli

#endif  // AUTOTP_TESTS_UNIT_CLIENT_CLI_PLAN_ANSWERS_H_
