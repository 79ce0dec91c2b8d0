// autotp_command.h -- `autotp train` on a tiny model, as a user would type it.
#ifndef AUTOTP_TESTS_INTEGRATION_AUTOTP_COMMAND_H_
#define AUTOTP_TESTS_INTEGRATION_AUTOTP_COMMAND_H_

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/support/subprocess.h"
#include "tests/support/temp_dir.h"

namespace autotp::testing {

inline constexpr absl::Duration kCommandTimeout = absl::Seconds(90);

// Arguments of a run of the llama case: TP 2, fp32, 8 steps by default.
struct TrainCommand {
  std::string output;
  std::string model = SourcePath("tests/golden/models/llama/model");
  std::string data = SourcePath("tests/golden/models/data/tokens_v256.bin");
  std::string config;  // path of a DeepSpeed JSON
  int slots = 2;
  int steps = 8;
  int sequence_length = 32;
  std::vector<std::string> more;

  std::vector<std::string> Arguments() const {
    std::vector<std::string> arguments = {ProgramPath("autotp"),
                                          "train",
                                          "--model",
                                          model,
                                          "--data",
                                          data,
                                          "--config",
                                          config,
                                          "--slots",
                                          std::to_string(slots),
                                          "--sequence-length",
                                          std::to_string(sequence_length),
                                          "--max-steps",
                                          std::to_string(steps),
                                          "--no-shuffle",
                                          "--output",
                                          output,
                                          "--metrics",
                                          output + ".metrics.jsonl"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  // One object per finished step, without what varies from run to run.
  std::vector<nlohmann::json> Metrics() const {
    std::vector<nlohmann::json> steps_seen;
    std::istringstream lines(ReadFileOrEmpty(output + ".metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      steps_seen.push_back(nlohmann::json::parse(line));
      steps_seen.back().erase("step_seconds");
    }
    return steps_seen;
  }
};

// Writes a DeepSpeed JSON: the case's own with changes merged in.
inline std::string WriteConfig(const TempDir& folder, const std::string& name,
                               const nlohmann::json& changes) {
  nlohmann::json config = nlohmann::json::parse(
      ReadFileOrEmpty(SourcePath("tests/golden/models/llama/ds_config.json")));
  config["tensor_parallel"]["autotp_size"] = 2;
  if (!changes.is_null()) config.merge_patch(changes);  // {} is null
  const std::string path = folder / name;
  std::ofstream(path) << config.dump(2) << "\n";
  return path;
}

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_INTEGRATION_AUTOTP_COMMAND_H_
