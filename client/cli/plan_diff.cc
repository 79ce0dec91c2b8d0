#include "client/cli/plan_diff.h"

#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/layer_groups.h"
#include "client/cli/table.h"

namespace autotp::cli {
namespace {

using nlohmann::ordered_json;

constexpr const char* kLayoutKeys[] = {"model_type",
                                       "parameter_count",
                                       "train_batch_size",
                                       "micro_batch_size",
                                       "gradient_accumulation_steps",
                                       "world_size",
                                       "tensor_parallel_size",
                                       "data_parallel_size",
                                       "zero_stage",
                                       "compute_dtype",
                                       "rule_source",
                                       "rule_source_detail",
                                       "digest"};

std::string Text(const ordered_json& value) {
  if (value.is_null()) return "absent";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

ordered_json At(const ordered_json& object, const std::string& key) {
  const auto found = object.find(key);
  return found == object.end() ? ordered_json() : *found;
}

// "2 + 2", "40*[2,16]": what the ranks have, runs of equals together.
std::string Runs(const ordered_json& list) {
  if (!list.is_array()) return Text(list);
  std::vector<std::string> runs;
  for (size_t begin = 0; begin < list.size();) {
    size_t end = begin;
    while (end < list.size() && list[end] == list[begin]) ++end;
    const std::string one = list[begin].dump();
    runs.push_back(end - begin == 1 ? one
                                    : absl::StrCat(end - begin, "*", one));
    begin = end;
  }
  return absl::StrJoin(runs, " + ");
}

std::string ClassText(const ordered_json& cut) {
  return absl::StrCat(
      Text(At(cut, "count")), " times, ", Text(At(cut, "units")), " ",
      Text(At(cut, "unit")), "s: ",
      At(cut, "cut") == true ? Runs(At(cut, "units_per_rank")) : "whole");
}

// What the ranks have; of what is whole on all of them, one.
std::string Held(const ordered_json& parameter) {
  const ordered_json shapes = At(parameter, "local_shapes");
  const bool whole = At(parameter, "partition") == "replicated" &&
                     shapes.is_array() && !shapes.empty();
  return whole ? shapes[0].dump() : Runs(shapes);
}

std::string ParameterText(const ordered_json& parameter) {
  return absl::StrCat(
      Text(At(parameter, "partition")), " ", Held(parameter),
      At(parameter, "partial_gradient") == true ? ", gradient summed" : "");
}

std::string CollectiveText(const ordered_json& use) {
  const ordered_json bytes = At(use, "bytes");
  return absl::StrCat(Text(At(use, "count")), " times, ",
                      HumanBytes(bytes.is_number() ? bytes.get<double>() : 0),
                      " a step");
}

// Entries of a list by name; equal names are numbered.
std::vector<std::pair<std::string, std::string>> Entries(
    const ordered_json& list, std::string (*name)(const ordered_json&),
    std::string (*text)(const ordered_json&)) {
  std::vector<std::pair<std::string, std::string>> entries;
  std::map<std::string, int> seen;
  for (const ordered_json& item : list) {
    std::string key = name(item);
    if (const int times = ++seen[key]; times > 1)
      absl::StrAppend(&key, " (", times, ")");
    entries.emplace_back(std::move(key), text(item));
  }
  return entries;
}

void Compare(const std::string& area,
             const std::vector<std::pair<std::string, std::string>>& before,
             const std::vector<std::pair<std::string, std::string>>& after,
             std::vector<Difference>* differences) {
  std::map<std::string, std::string> old(before.begin(), before.end());
  for (const auto& [name, text] : after) {
    const auto found = old.find(name);
    const std::string was = found == old.end() ? "absent" : found->second;
    if (found != old.end()) old.erase(found);
    if (was != text) differences->push_back({area, name, was, text});
  }
  for (const auto& [name, text] : before) {
    if (old.contains(name))
      differences->push_back({area, name, text, "absent"});
  }
}

// Differences of identical layers are one.
void FoldLayers(std::vector<Difference>* differences) {
  std::vector<NamedText> items;
  for (const Difference& one : *differences) {
    items.push_back(
        {one.name, absl::StrJoin({one.area, one.before, one.after}, "\n")});
  }
  std::vector<Difference> folded;
  for (const LayerGroup& group : GroupLayers(items)) {
    folded.push_back((*differences)[group.members[0]]);
    folded.back().name = group.names;
  }
  *differences = std::move(folded);
}

std::string NameOf(const ordered_json& item) { return Text(At(item, "name")); }

std::string CollectiveName(const ordered_json& use) {
  const std::string reason = Text(At(use, "reason"));
  return absl::StrCat(Text(At(use, "kind")), ", ", Text(At(use, "group")), ", ",
                      Text(At(use, "phase")), reason.empty() ? "" : ": ",
                      reason);
}

std::vector<std::pair<std::string, std::string>> Scalars(
    const ordered_json& plan) {
  std::vector<std::pair<std::string, std::string>> scalars;
  for (const char* key : kLayoutKeys)
    scalars.emplace_back(key, Text(At(plan, key)));
  return scalars;
}

std::vector<std::pair<std::string, std::string>> Estimates(
    const ordered_json& plan) {
  std::vector<std::pair<std::string, std::string>> texts;
  const ordered_json estimate = At(plan, "estimate");
  for (const auto& [key, value] : estimate.items()) {
    texts.emplace_back(key, absl::StrContains(key, "bytes") && value.is_number()
                                ? HumanBytes(value.get<double>())
                                : Text(value));
  }
  return texts;
}

}  // namespace

absl::StatusOr<std::vector<Difference>> Differences(const ordered_json& before,
                                                    const ordered_json& after) {
  for (const char* key : {"parameters", "classes", "collectives"}) {
    if (!before.is_object() || !At(before, key).is_array()) {
      return absl::InvalidArgumentError(
          absl::StrCat("it has no list \"", key,
                       "\"; save a plan with `autotp plan ... --output json`"));
    }
  }
  std::vector<Difference> differences;
  Compare("layout", Scalars(before), Scalars(after), &differences);
  Compare("class", Entries(At(before, "classes"), NameOf, ClassText),
          Entries(At(after, "classes"), NameOf, ClassText), &differences);
  Compare("parameter", Entries(At(before, "parameters"), NameOf, ParameterText),
          Entries(At(after, "parameters"), NameOf, ParameterText),
          &differences);
  Compare("collective",
          Entries(At(before, "collectives"), CollectiveName, CollectiveText),
          Entries(At(after, "collectives"), CollectiveName, CollectiveText),
          &differences);
  Compare("estimate", Estimates(before), Estimates(after), &differences);
  FoldLayers(&differences);
  return differences;
}

std::string DifferencesText(const std::vector<Difference>& differences,
                            const TextStyle& style) {
  if (differences.empty()) return "the plans are equal\n";
  std::string text;
  const std::string* area = nullptr;
  for (const Difference& one : differences) {
    if (area == nullptr || *area != one.area)
      absl::StrAppend(&text, area == nullptr ? "" : "\n", style.Bold(one.area),
                      "\n");
    area = &one.area;
    absl::StrAppend(&text, "  ", one.name, "\n    - ", style.Faint(one.before),
                    "\n    + ", one.after, "\n");
  }
  return text;
}

ordered_json DifferencesJson(const std::vector<Difference>& differences) {
  ordered_json list = ordered_json::array();
  for (const Difference& one : differences) {
    list.push_back({{"area", one.area},
                    {"name", one.name},
                    {"before", one.before},
                    {"after", one.after}});
  }
  return {{"equal", differences.empty()}, {"differences", std::move(list)}};
}

}  // namespace autotp::cli
