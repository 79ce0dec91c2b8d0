// model_variant.h -- the job of a trace, its model's config.json changed.
#ifndef AUTOTP_TESTS_UNIT_WORKER_TRAINER_MODEL_VARIANT_H_
#define AUTOTP_TESTS_UNIT_WORKER_TRAINER_MODEL_VARIANT_H_

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "autotp/v1/job.pb.h"
#include "nlohmann/json.hpp"
#include "tests/support/subprocess.h"
#include "tests/support/trace.h"

namespace autotp::testing {

// Keys of config.json and the numbers that they get.
using ConfigChanges = std::map<std::string, double>;

// Writes the changed model to `folder`/model; the job's output is
// `folder`/out. The weights are the case's own.
inline v1::JobSpec VariantJob(const std::string& name, const Layout& layout,
                              const ConfigChanges& changes,
                              const std::string& folder) {
  v1::JobSpec spec = TraceJob(LoadTrace(name), layout, folder + "/out");
  const std::filesystem::path from = spec.model().path();
  const std::filesystem::path to = folder + "/model";
  std::filesystem::create_directories(to);
  nlohmann::json config =
      nlohmann::json::parse(ReadFileOrEmpty((from / "config.json").string()));
  for (const auto& [key, number] : changes) config[key] = number;
  std::ofstream(to / "config.json") << config.dump(2);
  for (const auto& entry : std::filesystem::directory_iterator(from)) {
    if (entry.path().filename() == "config.json") continue;
    std::filesystem::copy_file(
        entry.path(), to / entry.path().filename(),
        std::filesystem::copy_options::overwrite_existing);
  }
  spec.mutable_model()->set_path(to.string());
  return spec;
}

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_UNIT_WORKER_TRAINER_MODEL_VARIANT_H_
