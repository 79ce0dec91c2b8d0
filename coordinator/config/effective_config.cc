#include "coordinator/config/effective_config.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "coordinator/config/effective_update.h"

namespace autotp::config {
namespace {

using Json = nlohmann::ordered_json;

const char* TypeName(v1::DataType type) {
  return type == v1::DATA_TYPE_BFLOAT16  ? "bf16"
         : type == v1::DATA_TYPE_FLOAT16 ? "fp16"
                                         : "fp32";
}

Json BrainFloatJson(const v1::TrainingConfig& training) {
  if (training.compute_dtype() != v1::DATA_TYPE_BFLOAT16)
    return {{"enabled", false}};
  return {{"enabled", true},
          {"check_grad_overflow", training.skip_non_finite()},
          {"bf16_master_weights_and_grads",
           training.master_dtype() == v1::DATA_TYPE_BFLOAT16},
          {"bf16_optimizer_states",
           training.state_dtype() == v1::DATA_TYPE_BFLOAT16}};
}

Json HalfJson(const v1::TrainingConfig& training) {
  if (training.compute_dtype() != v1::DATA_TYPE_FLOAT16)
    return {{"enabled", false}};
  const v1::LossScaling& scaling = training.loss_scaling();
  const bool master = training.master_dtype() == v1::DATA_TYPE_FLOAT16;
  if (!scaling.dynamic()) {
    return {{"enabled", true},
            {"loss_scale", scaling.initial()},
            {"fp16_master_weights_and_grads", master}};
  }
  return {{"enabled", true},
          {"loss_scale", 0},
          {"initial_scale_power", std::ilogb(scaling.initial())},
          {"loss_scale_window", scaling.window()},
          {"hysteresis", scaling.hysteresis()},
          {"consecutive_hysteresis", scaling.consecutive_hysteresis()},
          {"min_loss_scale", static_cast<int64_t>(scaling.minimum())},
          {"fp16_master_weights_and_grads", master}};
}

Json SpecJson(const LayerSpec& spec) {
  Json json;
  json["patterns"] = Json::array();
  for (const PlacedText& pattern : spec.patterns) {
    json["patterns"].push_back(pattern.text);
  }
  json["partition_type"] = spec.type == PartitionType::kColumn ? "column"
                           : spec.type == PartitionType::kRow  ? "row"
                                                               : "skip";
  json["gather_output"] = spec.gather_output;
  json["grad_allreduce"] = spec.grad_allreduce;
  if (!spec.shape.empty()) {
    json["shape"] = Json::array();
    for (const ShapeEntry& entry : spec.shape) {
      std::visit([&json](const auto& size) { json["shape"].push_back(size); },
                 entry);
    }
    json["partition_dim"] = spec.partition_dim;
  }
  if (!spec.model_types.empty()) json["model_types"] = spec.model_types;
  return json;
}

Json TensorParallelJson(const TensorParallelRequest& request) {
  Json json;
  json["autotp_size"] = request.size;
  json["vocab_parallel_lm_head"] =
      request.vocabulary_parallel == VocabularyParallel::kUnlessRuled
          ? Json(nullptr)
          : Json(request.vocabulary_parallel == VocabularyParallel::kAlways);
  json["tp"] = {{"tp_grain_size", request.grain}};
  if (request.preset_model) json["preset_model"] = request.preset_model->text;
  if (request.partition_config) {
    const PartitionConfig& config = *request.partition_config;
    Json specs = Json::array();
    for (const LayerSpec& spec : config.specs) specs.push_back(SpecJson(spec));
    json["partition_config"] = {{"use_default_specs", config.use_default_specs},
                                {"strict_mode", config.strict_mode},
                                {"layer_specs", specs}};
  }
  return json;
}

}  // namespace

std::string EffectiveConfigJson(const EffectiveInput& input) {
  const v1::TrainingConfig& training = input.training;
  Json json;
  json["train_batch_size"] = training.train_batch_size();
  json["train_micro_batch_size_per_gpu"] = training.micro_batch_size();
  json["gradient_accumulation_steps"] = training.accumulation_steps();
  json["gradient_clipping"] = training.gradient_clipping();
  json["gradient_allreduce_op"] = "mean";
  json["communication_data_type"] = TypeName(training.communication_dtype());
  json["bf16"] = BrainFloatJson(training);
  json["fp16"] = HalfJson(training);
  json["data_types"] = {
      {"grad_accum_dtype", TypeName(training.gradient_dtype())}};
  json["zero_optimization"] = {
      {"stage", training.zero_stage()},
      {"reduce_bucket_size", training.reduce_bucket_elements()},
      {"allgather_bucket_size", training.allgather_bucket_elements()}};
  json["optimizer"] = OptimizerJson(training.optimizer());
  if (training.schedule().kind() != v1::ScheduleConfig::KIND_CONSTANT) {
    json["scheduler"] = SchedulerJson(training.schedule());
  }
  json["zero_allow_untested_optimizer"] = input.zero_allow_untested_optimizer;
  json["tensor_parallel"] = TensorParallelJson(input.tensor_parallel);
  return json.dump(2) + "\n";
}

}  // namespace autotp::config
