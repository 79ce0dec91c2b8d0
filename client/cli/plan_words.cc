#include "client/cli/plan_words.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/message_json.h"

namespace autotp::cli {
namespace {

constexpr size_t kLongestSum = 12;  // columns

}  // namespace

std::string ShapeText(const google::protobuf::RepeatedField<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

std::string SharesText(const std::vector<int64_t>& shares) {
  constexpr size_t kMostWritten = 8;
  if (shares.size() <= kMostWritten) return absl::StrJoin(shares, " + ");
  std::vector<std::string> runs;
  for (size_t begin = 0; begin < shares.size();) {
    size_t end = begin;
    while (end < shares.size() && shares[end] == shares[begin]) ++end;
    runs.push_back(absl::StrCat(end - begin, "*", shares[begin]));
    begin = end;
  }
  return absl::StrJoin(runs, " + ");
}

std::string LocalShapeText(const v1::ParameterPlan& parameter) {
  if (parameter.ranks_size() == 0) return "";
  const auto& first = parameter.ranks(0).shape();
  const int dim = parameter.dim();
  if (dim < 0 || dim >= first.size()) return ShapeText(first);
  std::vector<int64_t> sizes;
  for (const v1::RankSlice& rank : parameter.ranks())
    sizes.push_back(rank.shape(dim));
  if (std::equal(sizes.begin() + 1, sizes.end(), sizes.begin()))
    return ShapeText(first);
  std::string uneven = absl::StrJoin(sizes, "+");
  if (uneven.size() > kLongestSum) {
    const auto [least, most] = std::minmax_element(sizes.begin(), sizes.end());
    uneven = absl::StrCat(*least, "..", *most);
  }
  std::vector<std::string> parts;
  for (int d = 0; d < first.size(); ++d)
    parts.push_back(d == dim ? uneven : absl::StrCat(first[d]));
  return absl::StrCat("[", absl::StrJoin(parts, ", "), "]");
}

std::string PartitionText(const v1::ParameterPlan& parameter) {
  if (parameter.partition() == v1::ParameterPlan::PARTITION_REPLICATED)
    return "whole";
  std::string text = EnumWord(v1::ParameterPlan::Partition_descriptor(),
                              parameter.partition());
  if (parameter.blocks_size() > 1)
    absl::StrAppend(&text, ", ", parameter.blocks_size(), " blocks");
  return text;
}

std::string ReasonText(const v1::ParameterPlan& parameter) {
  return parameter.rule().empty() ||
                 absl::StartsWith(parameter.reason(), parameter.rule())
             ? parameter.reason()
             : absl::StrCat(parameter.rule(), ": ", parameter.reason());
}

bool IsSequenceParallel(const v1::Plan& plan) {
  return std::any_of(plan.collectives().begin(), plan.collectives().end(),
                     [](const v1::CollectivePlan& use) {
                       return use.group() == v1::CollectivePlan::GROUP_TENSOR &&
                              use.kind() ==
                                  v1::CollectivePlan::KIND_REDUCE_SCATTER &&
                              use.phase() == "forward";
                     });
}

}  // namespace autotp::cli
