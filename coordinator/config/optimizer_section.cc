// optimizer_section.cc -- `optimizer`, a reader for each type. What a type does
// not say has DeepSpeed's default, or PyTorch's where the type is PyTorch's.
#include <algorithm>
#include <array>

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

using Optimizer = v1::OptimizerConfig;

// lr, eps and weight_decay, which most types have; what is set before stands
// where nothing is said.
void ReadCommon(const SectionReader& params, Optimizer* optimizer) {
  optimizer->set_learning_rate(
      params.Number("lr", 0).value_or(optimizer->learning_rate()));
  optimizer->set_epsilon(
      params.Number("eps", 0).value_or(optimizer->epsilon()));
  optimizer->set_weight_decay(
      params.Number("weight_decay", 0).value_or(optimizer->weight_decay()));
}

void ReadAdam(const SectionReader& params, bool is_adam_w,
              Optimizer* optimizer) {
  ReadBetas(params, optimizer);
  optimizer->set_decoupled_decay(ReadDecoupled(params, is_adam_w));
  // torch.optim.AdamW decays by 0.01 where nothing is said, DeepSpeed's own
  // Adam does not decay.
  const bool torch = params.Boolean("torch_adam").value_or(false);
  optimizer->set_weight_decay(torch && optimizer->decoupled_decay() ? 0.01
                                                                    : 0.0);
  optimizer->set_bias_correction(
      params.Boolean("bias_correction").value_or(true));
  ReadCommon(params, optimizer);
}

void ReadAdagrad(const SectionReader& params, Optimizer* optimizer) {
  optimizer->set_learning_rate(0.01);
  optimizer->set_epsilon(1e-10);
  optimizer->set_rate_decay(params.Number("lr_decay", 0).value_or(0));
  optimizer->set_initial_accumulator(
      params.Number("initial_accumulator_value", 0).value_or(0));
  ReadCommon(params, optimizer);
}

void ReadLamb(const SectionReader& params, Optimizer* optimizer) {
  ReadBetas(params, optimizer);
  optimizer->set_bias_correction(
      params.Boolean("bias_correction").value_or(true));
  optimizer->set_epsilon_in_root(
      params.Boolean("eps_inside_sqrt").value_or(false));
  optimizer->set_minimum_coefficient(
      params.Number("min_coeff", 0).value_or(0.01));
  optimizer->set_maximum_coefficient(
      params.Number("max_coeff", 0).value_or(10.0));
  if (optimizer->minimum_coefficient() > optimizer->maximum_coefficient()) {
    params.OutOfRange(params.Find("min_coeff") ? *params.Find("min_coeff")
                                               : *params.Find("max_coeff"),
                      "min_coeff may not be above max_coeff");
  }
  ReadCommon(params, optimizer);
}

void ReadLion(const SectionReader& params, Optimizer* optimizer) {
  ReadBetas(params, optimizer);
  ReadCommon(params, optimizer);
  optimizer->clear_epsilon();
}

void ReadSgd(const SectionReader& params, Optimizer* optimizer) {
  optimizer->set_momentum(params.Number("momentum", 0, 1).value_or(0));
  optimizer->set_dampening(params.Number("dampening", 0, 1).value_or(0));
  optimizer->set_nesterov(params.Boolean("nesterov").value_or(false));
  if (optimizer->nesterov() &&
      (optimizer->momentum() == 0 || optimizer->dampening() != 0)) {
    params.diagnostics()->Error(
        params.PlaceOf("nesterov"), "NESTEROV_WITHOUT_MOMENTUM",
        "nesterov needs a momentum and no dampening",
        "set \"momentum\", e.g. to 0.9, and \"dampening\" to 0");
  }
  ReadCommon(params, optimizer);
  optimizer->clear_epsilon();
}

// `lr` is of both kinds of parameters, where they have none of their own.
void ReadMuon(const SectionReader& params, Optimizer* optimizer) {
  optimizer->set_beta2(0.95);
  optimizer->set_epsilon(1e-10);
  ReadBetas(params, optimizer);
  ReadCommon(params, optimizer);
  const std::optional<double> both = params.Number("lr", 0);
  optimizer->set_learning_rate(
      params.Number("muon_lr", 0).value_or(both.value_or(0.02)));
  optimizer->set_adam_learning_rate(
      params.Number("adam_lr", 0).value_or(both.value_or(3e-4)));
  optimizer->set_momentum(params.Number("momentum", 0, 1).value_or(0.95));
  optimizer->set_nesterov(params.Boolean("nesterov").value_or(true));
  optimizer->set_orthogonalization_steps(
      static_cast<int32_t>(params.Integer("ns_steps", 1, 100).value_or(5)));
  optimizer->set_decoupled_decay(true);
  optimizer->set_bias_correction(true);
}

struct Type {
  absl::string_view name;
  Optimizer::Kind kind;
  void (*read)(const SectionReader& params, Optimizer* optimizer);
};

constexpr std::array<Type, 7> kTypes = {{
    {"Adam", Optimizer::KIND_ADAM,
     [](const SectionReader& params, Optimizer* optimizer) {
       ReadAdam(params, /*is_adam_w=*/false, optimizer);
     }},
    {"AdamW", Optimizer::KIND_ADAM,
     [](const SectionReader& params, Optimizer* optimizer) {
       ReadAdam(params, /*is_adam_w=*/true, optimizer);
     }},
    {"Adagrad", Optimizer::KIND_ADAGRAD, ReadAdagrad},
    {"Lamb", Optimizer::KIND_LAMB, ReadLamb},
    {"Lion", Optimizer::KIND_LION, ReadLion},
    {"Muon", Optimizer::KIND_MUON, ReadMuon},
    {"SGD", Optimizer::KIND_SGD, ReadSgd},
}};

// What most types have in common.
Optimizer Defaults(Optimizer::Kind kind) {
  Optimizer optimizer;
  optimizer.set_kind(kind);
  optimizer.set_learning_rate(kDefaultLearningRate);
  optimizer.set_epsilon(1e-8);
  if (kind == Optimizer::KIND_ADAGRAD || kind == Optimizer::KIND_SGD)
    return optimizer;
  optimizer.set_beta1(0.9);
  optimizer.set_beta2(0.999);
  return optimizer;
}

}  // namespace

Optimizer ReadOptimizer(const JsonDocument& document,
                        Diagnostics* diagnostics) {
  Optimizer adam_w = Defaults(Optimizer::KIND_ADAM);
  adam_w.set_decoupled_decay(true);
  adam_w.set_bias_correction(true);

  const SectionReader section(document, document.root().Find("optimizer"),
                              diagnostics);
  if (!section.present()) {
    diagnostics->Note(document.PlaceOf(document.root()), "DEFAULT_OPTIMIZER",
                      absl::StrCat("no optimizer is given: AdamW with lr ",
                                   kDefaultLearningRate,
                                   ", betas [0.9, 0.999], eps 1e-8, "
                                   "weight_decay 0"),
                      "add an \"optimizer\" section to choose another");
    return adam_w;
  }
  const KeyEntry* row =
      ReadType(section, "optimizer", "OPTIMIZER_NOT_SUPPORTED");
  if (row == nullptr) return adam_w;
  const auto type =
      std::find_if(kTypes.begin(), kTypes.end(),
                   [row](const Type& known) { return known.name == row->key; });
  const SectionReader params(
      document, document.root().Find("optimizer")->Find("params"), diagnostics);
  Optimizer optimizer = Defaults(type->kind);
  type->read(params, &optimizer);
  return optimizer;
}

}  // namespace autotp::config
