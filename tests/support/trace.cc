#include "tests/support/trace.h"

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "proto/support/check.h"
#include "tests/support/subprocess.h"

namespace autotp::testing {
namespace {

using nlohmann::json;

json LoadJson(const std::string& path) {
  const std::string text = ReadFileOrEmpty(path);
  AUTOTP_CHECK(!text.empty(), path, " is missing or empty");
  return json::parse(text);
}

std::string CaseFolder(const std::string& name) {
  return SourcePath(absl::StrCat("tests/golden/models/", name));
}

}  // namespace

Trace LoadTrace(const std::string& name) {
  const json source = LoadJson(CaseFolder(name) + "/trace.json");
  Trace trace;
  trace.name = name;
  trace.sequence_length = source.at("seq_len");
  trace.train_batch_size = source.at("ds_config").at("train_batch_size");
  trace.data = SourcePath("tests/golden/models/data/" +
                          source.at("data").get<std::string>());
  for (const json& step : source.at("steps")) {
    trace.steps.push_back({.loss = step.at("loss"),
                           .grad_norm = step.at("grad_norm"),
                           .learning_rate = step.at("lr"),
                           .loss_scale = step.value("loss_scale", 0.0)});
  }
  for (const auto& [tensor, facts] : source.at("final_tensors").items()) {
    trace.final_tensors.push_back({.name = tensor,
                                   .shape = facts.at("shape"),
                                   .probe = facts.at("probe"),
                                   .noise_max_abs = facts.at("noise_max_abs")});
  }
  return trace;
}

std::string Layout::Describe() const {
  return absl::StrCat("TP ", tensor_parallel, " x DP ", data_parallel,
                      ", ZeRO ", zero_stage, ", micro-batch ", micro_batch,
                      sequence_parallel ? ", tokens cut" : "",
                      vocabulary_parallel ? "" : ", vocabulary whole");
}

v1::JobSpec TraceJob(const Trace& trace, const Layout& layout,
                     const std::string& output_path) {
  const std::string folder = CaseFolder(trace.name);
  json config = LoadJson(folder + "/ds_config.json");
  config["train_micro_batch_size_per_gpu"] = layout.micro_batch;
  config["zero_optimization"]["stage"] = layout.zero_stage;
  config["tensor_parallel"]["autotp_size"] = layout.tensor_parallel;
  if (!layout.vocabulary_parallel)
    config["tensor_parallel"]["vocab_parallel_lm_head"] = false;

  v1::JobSpec spec;
  spec.set_config_json(config.dump(2));
  spec.set_config_name("ds_config.json");
  spec.mutable_model()->set_path(folder + "/model");
  spec.mutable_model()->set_initialization(
      v1::ModelSource::INITIALIZATION_PRETRAINED);
  spec.mutable_data()->set_path(trace.data);
  spec.mutable_run()->set_max_steps(static_cast<int64_t>(trace.steps.size()));
  spec.mutable_run()->set_sequence_length(trace.sequence_length);
  spec.mutable_run()->set_seed(1);
  spec.mutable_run()->set_sequence_parallel(layout.sequence_parallel);
  spec.mutable_run()->set_output_path(output_path);
  spec.set_world_size(layout.tensor_parallel * layout.data_parallel);
  return spec;
}

}  // namespace autotp::testing
