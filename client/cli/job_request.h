// job_request.h -- what a user types for a job, and the JobSpec it means.
#ifndef AUTOTP_CLIENT_CLI_JOB_REQUEST_H_
#define AUTOTP_CLIENT_CLI_JOB_REQUEST_H_

#include <cstdint>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "autotp/v1/job.pb.h"

namespace autotp::cli {

// What `--config` takes.
inline constexpr char kConfigHelp[] =
    "DeepSpeed JSON: a file, the text, or the text in base64";

inline constexpr char kSequenceParallelHelp[] =
    "cut activations between blocks by tokens over the tensor-parallel ranks";

// Fields bear the names of the flags (and of the keys of a job file).
struct JobRequest {
  std::string model;
  std::vector<std::string> data;  // PATH, or PATH=WEIGHT where there are more
  bool pack_documents = false;
  int64_t separator = -1;  // a token id; -1: none
  std::string config;
  int slots = 1;
  int64_t sequence_length = 0;
  int64_t max_steps = 0;
  std::string output;
  uint64_t seed = 0;
  bool no_shuffle = false;
  std::string token_dtype;          // "", u16, u32
  std::string init = "pretrained";  // pretrained, random
  int64_t checkpoint_every = 0;
  int keep_checkpoints = 0;
  bool resume = false;
  std::string export_dtype;  // "", fp32, bf16, fp16
  int max_restarts = 0;
  std::vector<std::string> no_decay;  // patterns of parameters
  std::string eval_data;
  int64_t eval_every = 0;
  int64_t eval_sequences = 0;
  double target_loss = 0;
  bool sequence_parallel = false;
  std::string recompute;  // "", none, selective, block
};

// Adds the flags to `command`; `output_flag` names the output folder's.
// `required`: those without which there is no job (false where a job file may
// give them).
void AddJobFlags(CLI::App& command, JobRequest& request,
                 const std::string& output_flag, bool required);

// Of jobs and of plans.
void AddNoDecayFlag(CLI::App& command, JobRequest& request);

// --recompute, of `autotp plan` too.
void AddRecomputeFlag(CLI::App& command, JobRequest& request);

// Fills `request` from a JSON file whose keys are the flags' names with
// underscores. INVALID_ARGUMENT naming the file and the key.
absl::Status ReadJobFile(const std::string& path, JobRequest& request);

// Reads the config file and makes every path absolute.
// INVALID_ARGUMENT naming what is missing.
absl::StatusOr<v1::JobSpec> ToJobSpec(const JobRequest& request);

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_JOB_REQUEST_H_
