// optimizer_section.cc -- `optimizer`: Adam and AdamW.
#include "absl/strings/str_cat.h"
#include "coordinator/config/key_check.h"
#include "coordinator/config/section_reader.h"
#include "coordinator/config/sections.h"

namespace autotp::config {
namespace {

// Half-open at 1: a moment that never decays has no bias correction.
constexpr double kLargestBeta = 1.0 - 1e-12;

void ReadBetas(const SectionReader& params, v1::OptimizerConfig* optimizer) {
  const JsonNode* node = params.Find("betas");
  if (node == nullptr) return;
  if (!node->is_array() || node->elements.size() != 2) {
    params.WrongType(*node, "a list of two numbers is needed");
    return;
  }
  double values[2] = {};
  for (int i = 0; i < 2; ++i) {
    const JsonNode& element = node->elements[i];
    if (element.kind != JsonNode::Kind::kNumber &&
        element.kind != JsonNode::Kind::kInteger) {
      params.WrongType(element, "a number is needed");
      return;
    }
    if (element.number < 0 || element.number > kLargestBeta) {
      params.OutOfRange(element, "at least 0 and below 1 is needed");
      return;
    }
    values[i] = element.number;
  }
  optimizer->set_beta1(values[0]);
  optimizer->set_beta2(values[1]);
}

// DeepSpeed's rule: type AdamW decays decoupled whatever adam_w_mode says;
// type Adam does so too unless adam_w_mode is false.
bool ReadDecoupled(const SectionReader& params, bool is_adam_w) {
  const bool mode = params.Boolean("adam_w_mode").value_or(true);
  if (is_adam_w && !mode) {
    params.diagnostics()->Warning(
        params.PlaceOf("adam_w_mode"), "KEY_WITHOUT_EFFECT",
        "adam_w_mode false has no effect here: type AdamW always decays "
        "decoupled",
        "write \"type\": \"Adam\" for L2 decay");
  }
  return is_adam_w || mode;
}

void ReadParams(const SectionReader& params, bool is_adam_w,
                v1::OptimizerConfig* optimizer) {
  optimizer->set_learning_rate(
      params.Number("lr", 0).value_or(optimizer->learning_rate()));
  ReadBetas(params, optimizer);
  optimizer->set_epsilon(
      params.Number("eps", 0).value_or(optimizer->epsilon()));
  optimizer->set_decoupled_decay(ReadDecoupled(params, is_adam_w));
  // torch.optim.AdamW decays by 0.01 where nothing is said, DeepSpeed's own
  // Adam does not decay.
  const bool torch = params.Boolean("torch_adam").value_or(false);
  const double decay = torch && optimizer->decoupled_decay() ? 0.01 : 0.0;
  optimizer->set_weight_decay(params.Number("weight_decay", 0).value_or(decay));
  optimizer->set_bias_correction(
      params.Boolean("bias_correction").value_or(true));
}

}  // namespace

v1::OptimizerConfig ReadOptimizer(const JsonDocument& document,
                                  Diagnostics* diagnostics) {
  v1::OptimizerConfig optimizer;
  optimizer.set_kind(v1::OptimizerConfig::KIND_ADAM);
  optimizer.set_learning_rate(kDefaultLearningRate);
  optimizer.set_beta1(0.9);
  optimizer.set_beta2(0.999);
  optimizer.set_epsilon(1e-8);
  optimizer.set_weight_decay(0);
  optimizer.set_decoupled_decay(true);
  optimizer.set_bias_correction(true);

  const SectionReader section(document, document.root().Find("optimizer"),
                              diagnostics);
  if (!section.present()) {
    diagnostics->Note(document.PlaceOf(document.root()), "DEFAULT_OPTIMIZER",
                      absl::StrCat("no optimizer is given: AdamW with lr ",
                                   kDefaultLearningRate,
                                   ", betas [0.9, 0.999], eps 1e-8, "
                                   "weight_decay 0"),
                      "add an \"optimizer\" section to choose another");
    return optimizer;
  }
  const KeyEntry* type =
      ReadType(section, "optimizer", "OPTIMIZER_NOT_SUPPORTED");
  if (type == nullptr) return optimizer;
  const SectionReader params(
      document, document.root().Find("optimizer")->Find("params"), diagnostics);
  ReadParams(params, type->key == "AdamW", &optimizer);
  return optimizer;
}

}  // namespace autotp::config
