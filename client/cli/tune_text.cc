#include "client/cli/tune_text.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/cli/message_json.h"
#include "client/cli/table.h"

namespace autotp::cli {
namespace {

using nlohmann::ordered_json;

constexpr int kMostShown = 10;

struct Assumption {
  const char* key;
  void (v1::CostModel::*set)(double);
  double (v1::CostModel::*get)() const;
  const char* meaning;
};

constexpr Assumption kAssumptions[] = {
    {"flops", &v1::CostModel::set_flops_per_second,
     &v1::CostModel::flops_per_second, "FLOP/s of a rank's products"},
    {"tensor-bandwidth", &v1::CostModel::set_tensor_bytes_per_second,
     &v1::CostModel::tensor_bytes_per_second,
     "bytes/s between tensor-parallel ranks"},
    {"data-bandwidth", &v1::CostModel::set_data_bytes_per_second,
     &v1::CostModel::data_bytes_per_second,
     "bytes/s between data-parallel ranks"},
    {"collective", &v1::CostModel::set_collective_seconds,
     &v1::CostModel::collective_seconds,
     "seconds of a collective beside its bytes"},
    {"memory-bandwidth", &v1::CostModel::set_memory_bytes_per_second,
     &v1::CostModel::memory_bytes_per_second, "bytes/s of a rank's memory"},
};

std::string KeyList() {
  return absl::StrJoin(kAssumptions, ", ",
                       [](std::string* out, const Assumption& one) {
                         absl::StrAppend(out, one.key);
                       });
}

std::string Seconds(double seconds) {
  if (seconds < 1e-3) return absl::StrFormat("%.0f us", seconds * 1e6);
  if (seconds < 1) return absl::StrFormat("%.1f ms", seconds * 1e3);
  return absl::StrFormat("%.2f s", seconds);
}

std::vector<std::string> Row(int place, const v1::LayoutChoice& choice) {
  return {absl::StrCat(place),
          absl::StrCat(choice.tensor_parallel_size()),
          absl::StrCat(choice.data_parallel_size()),
          absl::StrCat(choice.zero_stage()),
          absl::StrCat(choice.micro_batch_size()),
          absl::StrCat(choice.accumulation_steps()),
          EnumWord(v1::Recomputation_descriptor(), choice.recomputation()),
          HumanBytes(static_cast<double>(choice.estimate().total_bytes())),
          Seconds(choice.step_seconds()),
          absl::StrFormat("%.0f", choice.tokens_per_second()),
          Seconds(choice.compute_seconds()),
          Seconds(choice.tensor_seconds()),
          Seconds(choice.data_seconds()),
          Seconds(choice.update_seconds())};
}

// What the DeepSpeed file can't say.
std::string Flag(const v1::LayoutChoice& choice) {
  if (choice.recomputation() == v1::RECOMPUTATION_NONE) return "";
  return absl::StrCat(", --recompute ", EnumWord(v1::Recomputation_descriptor(),
                                                 choice.recomputation()));
}

const std::vector<std::string>& Header() {
  static const auto* const header = new std::vector<std::string>{
      "",         "TP",   "DP",       "ZERO",    "MICRO",  "ACCUM", "RECOMPUTE",
      "PER RANK", "STEP", "TOKENS/S", "COMPUTE", "TENSOR", "DATA",  "UPDATE"};
  return *header;
}

std::string CostText(const v1::CostModel& cost, const TextStyle& style) {
  std::vector<std::vector<std::string>> rows;
  for (const Assumption& one : kAssumptions) {
    rows.push_back(
        {absl::StrFormat("%s=%g", one.key, (cost.*one.get)()), one.meaning});
  }
  return RenderTable({"ASSUMED", "change with --assume KEY=NUMBER"}, rows,
                     style);
}

}  // namespace

void AddTuneFlags(CLI::App& command, TuneFlags& flags) {
  CLI::Option* autotune = command.add_flag(
      "--autotune", flags.autotune,
      "rank the TP x DP x ZeRO x micro-batch x recomputation choices of this "
      "world by a cost model");
  autotune->excludes("--explain")->excludes("--diff");
  command
      .add_option("--memory-limit", flags.memory_limit,
                  "GiB that a rank may use")
      ->check(CLI::PositiveNumber)
      ->needs(autotune);
  command
      .add_option(
          "--assume", flags.assumed,
          absl::StrCat("KEY=NUMBER of the cost model; keys: ", KeyList()))
      ->needs(autotune);
}

absl::StatusOr<v1::TuneRequest> ToTuneRequest(const TuneFlags& flags) {
  v1::TuneRequest request;
  request.set_memory_limit_bytes(
      static_cast<int64_t>(flags.memory_limit * (int64_t{1} << 30)));
  for (const std::string& assumed : flags.assumed) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(assumed, absl::MaxSplits('=', 1));
    const auto* known = std::find_if(
        std::begin(kAssumptions), std::end(kAssumptions),
        [&](const Assumption& one) { return parts.first == one.key; });
    double number = 0;
    if (known == std::end(kAssumptions) ||
        !absl::SimpleAtod(parts.second, &number) || !(number > 0) ||
        !std::isfinite(number)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--assume ", assumed,
          ": write KEY=NUMBER with a positive number; keys: ", KeyList()));
    }
    (request.mutable_cost()->*known->set)(number);
  }
  return request;
}

std::string TuneText(const v1::TuneResult& result, const TextStyle& style) {
  std::string text = absl::StrCat(
      result.considered(), " layouts, ", result.choices_size(), " of them fit",
      result.note().empty() ? "" : absl::StrCat("; ", result.note()), "\n\n");
  if (result.choices().empty()) {
    if (!result.has_smallest())
      return absl::StrCat(text,
                          "no layout divides this world and batch; change "
                          "--world-size or train_batch_size\n");
    return absl::StrCat(
        text, "the smallest needs more:\n",
        RenderTable(Header(), {Row(1, result.smallest())}, style),
        "use more ranks, shorter sequences or a larger --memory-limit\n");
  }
  std::vector<std::vector<std::string>> rows;
  const int shown = std::min(result.choices_size(), kMostShown);
  for (int i = 0; i < shown; ++i) rows.push_back(Row(i + 1, result.choices(i)));
  absl::StrAppend(&text, RenderTable(Header(), rows, style));
  for (int i = 0; i < shown; ++i) {
    const v1::LayoutChoice& choice = result.choices(i);
    if (choice.explanation().empty()) continue;
    const std::string mark = absl::StrCat(i + 1, ".");
    absl::StrAppend(
        &text, "\n",
        RenderTable(
            {mark, absl::StrCat("TP ", choice.tensor_parallel_size(), " x DP ",
                                choice.data_parallel_size(), ", ZeRO ",
                                choice.zero_stage(), ", micro-batch ",
                                choice.micro_batch_size(), Flag(choice))},
            {{"", choice.explanation()}, {"", choice.config_change_json()}},
            style));
  }
  return absl::StrCat(text, "\n", CostText(result.cost(), style));
}

ordered_json TuneJson(const v1::TuneResult& result) {
  ordered_json json = ToJson(result);
  for (ordered_json& choice : json["choices"]) {
    choice["config_change"] = ordered_json::parse(
        choice["config_change_json"].get<std::string>(), nullptr,
        /*allow_exceptions=*/false);
    choice.erase("config_change_json");
  }
  return json;
}

}  // namespace autotp::cli
