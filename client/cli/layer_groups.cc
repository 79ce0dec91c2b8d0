#include "client/cli/layer_groups.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace autotp::cli {
namespace {

bool IsNumber(absl::string_view part) {
  return !part.empty() && part.size() <= 9 &&
         std::all_of(part.begin(), part.end(), absl::ascii_isdigit);
}

// "7", "{0..31}", "{0..3,7}".
std::string Numbers(const std::set<int>& numbers) {
  std::vector<std::string> runs;
  for (auto first = numbers.begin(); first != numbers.end();) {
    auto last = first;
    auto next = std::next(first);
    while (next != numbers.end() && *next == *last + 1) last = next++;
    if (first == last)
      runs.push_back(absl::StrCat(*first));
    else
      runs.push_back(absl::StrCat(*first, "..", *last));
    first = next;
  }
  if (numbers.size() == 1) return runs[0];
  return absl::StrCat("{", absl::StrJoin(runs, ","), "}");
}

std::string JoinNames(const std::vector<NamedText>& items,
                      const std::vector<size_t>& members) {
  std::vector<std::string> parts = absl::StrSplit(items[members[0]].name, '.');
  size_t combinations = 1;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!IsNumber(parts[i])) continue;
    std::set<int> numbers;
    for (const size_t member : members) {
      const std::vector<absl::string_view> other =
          absl::StrSplit(items[member].name, '.');
      int number = 0;
      if (absl::SimpleAtoi(other[i], &number)) numbers.insert(number);
    }
    combinations *= numbers.size();
    parts[i] = Numbers(numbers);
  }
  std::string names = absl::StrJoin(parts, ".");
  // Not every combination of the numbers exists.
  if (combinations != members.size())
    absl::StrAppend(&names, " (", members.size(), " of these)");
  return names;
}

}  // namespace

std::string LayerPattern(absl::string_view name) {
  std::vector<absl::string_view> parts = absl::StrSplit(name, '.');
  for (absl::string_view& part : parts)
    if (IsNumber(part)) part = "*";
  return absl::StrJoin(parts, ".");
}

std::vector<LayerGroup> GroupLayers(const std::vector<NamedText>& items) {
  std::vector<LayerGroup> groups;
  std::map<std::pair<std::string, std::string>, size_t> index;
  for (size_t i = 0; i < items.size(); ++i) {
    const auto [at, is_new] = index.emplace(
        std::pair(LayerPattern(items[i].name), items[i].text), groups.size());
    if (is_new) groups.emplace_back();
    groups[at->second].members.push_back(i);
  }
  for (LayerGroup& group : groups)
    group.names = JoinNames(items, group.members);
  return groups;
}

}  // namespace autotp::cli
