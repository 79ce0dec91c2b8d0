#include "coordinator/planner/planner.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/config/diagnostics.h"
#include "coordinator/config/read_config.h"
#include "coordinator/model/finding.h"
#include "coordinator/model/model.h"
#include "coordinator/partition/partition.h"
#include "coordinator/plan/choose_rules.h"
#include "coordinator/plan/match_rules.h"
#include "coordinator/planner/column_check.h"
#include "coordinator/planner/data_check.h"
#include "coordinator/planner/digest.h"
#include "coordinator/planner/export_spec.h"
#include "coordinator/planner/measure_layout.h"
#include "coordinator/planner/model_facts.h"
#include "coordinator/planner/parameter_groups.h"
#include "coordinator/planner/plan_message.h"
#include "coordinator/planner/run_settings.h"
#include "coordinator/planner/sequence_note.h"
#include "coordinator/planner/tune.h"

namespace autotp::planner {
namespace {

// The length that a dry run without one plans for.
constexpr int64_t kDefaultSequenceLength = 2048;
constexpr std::streamsize kMostConfigBytes = 4 << 20;

std::string ConfigPath(const v1::JobSpec& spec) {
  return (std::filesystem::path(spec.model().path()) / "config.json").string();
}

// max_position_embeddings of config.json; 0 where there is none. What is wrong
// with the file is LoadModel's to say.
int64_t PositionLimit(const std::string& config_file, const char* key) {
  std::ifstream file(config_file, std::ios::binary);
  std::string text(static_cast<size_t>(kMostConfigBytes), '\0');
  file.read(text.data(), kMostConfigBytes);
  text.resize(static_cast<size_t>(file.gcount()));
  const auto json = nlohmann::json::parse(text, nullptr,
                                          /*allow_exceptions=*/false);
  if (!json.is_object()) return 0;
  const auto found = json.find(key);
  return found != json.end() && found->is_number_integer()
             ? std::max<int64_t>(found->get<int64_t>(), 0)
             : 0;
}

bool HasWeightFiles(const std::string& folder) {
  std::error_code error;  // LoadModel says what is wrong with the folder
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    if (entry.path().extension() == ".safetensors") return true;
  return false;
}

// One plan in the making.
class Planning {
 public:
  Planning(const v1::JobSpec& spec, const PlanOptions& options)
      : spec_(spec), options_(options) {}

  PlanResult Run() {
    config_ = config::ReadConfig(
        spec_.config_json(),
        spec_.config_name().empty() ? "the DeepSpeed config"
                                    : spec_.config_name(),
        {spec_.world_size(), spec_.run().max_steps()}, &diagnostics_);
    result_.effective_config_json = config_.effective_json;
    result_.effective_values = config_.effective_values;
    if (config_.training) *result_.planned.mutable_config() = *config_.training;
    if (options_.check_run_settings) {
      CheckRunSettings(
          spec_, config_.training ? config_.training->train_batch_size() : 0,
          &diagnostics_);
    }
    if (LoadTheModel()) {
      CheckSeparator(spec_.data(), model_.vocabulary_size, &diagnostics_);
      Place();
    } else {  // what is wrong with the rules themselves is said all the same
      plan::ChooseRules(config_.tensor_parallel, {}, &diagnostics_);
    }
    if (options_.tune.has_value() && !diagnostics_.has_error()) TuneLayouts();
    result_.valid = !diagnostics_.has_error();
    for (const v1::Diagnostic& diagnostic : diagnostics_.all()) {
      result_.diagnostics.push_back(diagnostic);
    }
    return std::move(result_);
  }

 private:
  // A dry run that does not say where the weights come from takes the headers
  // of those that are there.
  bool NeedsWeights() const {
    const v1::ModelSource& model = spec_.model();
    if (model.initialization() == v1::ModelSource::INITIALIZATION_UNSPECIFIED &&
        !options_.check_run_settings)
      return HasWeightFiles(model.path());
    return model.initialization() != v1::ModelSource::INITIALIZATION_RANDOM;
  }

  // The model is read even if the config is invalid, so that all errors come
  // at once.
  bool LoadTheModel() {
    const int64_t limit =
        PositionLimit(ConfigPath(spec_), "max_position_embeddings");
    int64_t length = spec_.run().sequence_length();
    if (length < 2) {
      const int64_t most =
          limit > 0 ? limit : PositionLimit(ConfigPath(spec_), "n_positions");
      length =
          std::max<int64_t>(2, most > 0 ? std::min(most, kDefaultSequenceLength)
                                        : kDefaultSequenceLength);
      // Of a config with errors there will be no estimate.
      if (!options_.check_run_settings && !diagnostics_.has_error()) {
        diagnostics_.Note({}, "DEFAULT_SEQUENCE_LENGTH",
                          absl::StrCat("no sequence length is given: the "
                                       "estimate is for ",
                                       length, " tokens"));
      }
    }
    sequence_length_ = length;
    CheckSequenceLimit(length, limit, ConfigPath(spec_), &diagnostics_);
    auto loaded = model::LoadModel(
        {.path = spec_.model().path(),
         .micro_batch =
             config_.training ? config_.training->micro_batch_size() : 1,
         .sequence_length = length,
         .pack_documents = spec_.data().pack_documents(),
         .need_weights = NeedsWeights()});
    if (!loaded.ok()) {
      diagnostics_.Add(model::ToDiagnostic(loaded.status()));
      return false;
    }
    model_ = *std::move(loaded);
    for (const v1::Diagnostic& warning : model_.warnings) {
      diagnostics_.Add(warning);
    }
    result_.planned.set_vocabulary_size(model_.vocabulary_size);
    if (options_.check_run_settings) {
      CheckColumns(spec_.data(), model_.program,
                   config_.training ? config_.training->train_batch_size() : 0,
                   &diagnostics_);
    }
    return true;
  }

  void Place() {
    MarkUndecayed(spec_.run().undecayed_parameters(), &model_.program,
                  &diagnostics_);
    if (config_.training)
      MarkOrthogonalized(config_.training->optimizer(), &model_.program);
    const plan::RuleSet rules =
        plan::ChooseRules(config_.tensor_parallel,
                          FactsOf(model_, ConfigPath(spec_)), &diagnostics_);
    const std::map<std::string, plan::Placement> placements = plan::MatchRules(
        rules, model_.program, model_.model_type, &diagnostics_);
    if (!config_.training || diagnostics_.has_error()) return;

    partition::PartitionOptions options;
    options.tensor_parallel_size =
        static_cast<int>(config_.tensor_parallel.size);
    options.grain = config_.tensor_parallel.grain;
    options.recomputation = RecomputationOf(spec_.run());
    for (const auto& [name, placement] : placements) {
      options.requests[name] = placement.request;
    }
    options.fullest_only = true;
    options.sequence_parallel = spec_.run().sequence_parallel();
    const auto partitioned = partition::Partition(model_.program, options);
    if (!partitioned.ok()) {
      diagnostics_.Error(config_.tensor_parallel.size_place,
                         "PARTITION_IMPOSSIBLE",
                         std::string(partitioned.status().message()),
                         "change the rules or autotp_size");
      return;
    }
    const PlanInput input{model_.program,
                          *partitioned,
                          rules,
                          placements,
                          *config_.training,
                          model_.model_type,
                          config_.data_parallel_size};
    Finish(input);
    ReportSequenceParallel(model_.program, *partitioned, std::move(options),
                           *config_.training, &diagnostics_);
  }

  void Finish(const PlanInput& input) {
    v1::PlannedJob& planned = result_.planned;
    *planned.mutable_plan() = PlanMessage(input);
    planned.mutable_plan()->set_shapes_derived(!NeedsWeights());
    planned.mutable_plan()->set_recomputation(RecomputationOf(spec_.run()));
    ReportOutcome(input, planned.plan(), &diagnostics_);
    // One at a time: together they would be most of what a plan allocates.
    const int ranks = input.partitioned.tensor_parallel_size;
    for (int rank = 0; rank < ranks; ++rank) {
      *planned.add_local_programs() = program::ToProto(
          partition::LocalProgram(input.whole, input.partitioned, rank));
    }
    planned.mutable_plan()->set_digest(PlanDigest(&planned));
    *planned.mutable_export_() =
        MakeExportSpec(spec_.run(), config_.training->compute_dtype(), model_);
  }

  void TuneLayouts() {
    const v1::TrainingConfig& training = *config_.training;
    LayoutMeasure measure(
        {.path = spec_.model().path(), .sequence_length = sequence_length_},
        config_.tensor_parallel, training, spec_.run().sequence_parallel());
    result_.tuned =
        Tune({.world_size = spec_.world_size(),
              .train_batch_size = training.train_batch_size(),
              .sequence_length = sequence_length_,
              .compute_dtype = training.compute_dtype()},
             *options_.tune, [&measure](const v1::LayoutChoice& choice) {
               return measure.Measure(choice);
             });
  }

  const v1::JobSpec& spec_;
  const PlanOptions& options_;
  int64_t sequence_length_ = 0;
  config::Diagnostics diagnostics_;
  config::ConfigResult config_;
  model::LoadedModel model_;
  PlanResult result_;
};

}  // namespace

PlanResult MakePlan(const v1::JobSpec& spec, const PlanOptions& options) {
  return Planning(spec, options).Run();
}

}  // namespace autotp::planner
