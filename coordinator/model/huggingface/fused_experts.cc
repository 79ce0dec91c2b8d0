#include "coordinator/model/huggingface/fused_experts.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace autotp::model {
namespace {

struct Matrix {
  absl::string_view name;
  absl::string_view fused;
  int64_t part;
  int64_t parts;
};

constexpr Matrix kMatrices[] = {
    {"gate_proj", "gate_up_proj", 0, 2}, {"w1", "gate_up_proj", 0, 2},
    {"up_proj", "gate_up_proj", 1, 2},   {"w3", "gate_up_proj", 1, 2},
    {"down_proj", "down_proj", 0, 1},    {"w2", "down_proj", 0, 1},
};

}  // namespace

std::string ModernName(absl::string_view parameter) {
  return absl::StrReplaceAll(parameter, {{".block_sparse_moe.", ".mlp."}});
}

std::optional<FusedPlace> FindFusedPlace(absl::string_view parameter) {
  // "...", "experts", "7", "up_proj", "weight"
  std::vector<std::string> parts = absl::StrSplit(parameter, '.');
  if (parts.size() < 4 || parts.back() != "weight") return std::nullopt;
  parts.pop_back();
  const std::string matrix = parts.back();
  parts.pop_back();
  FusedPlace place;
  if (!absl::SimpleAtoi(parts.back(), &place.expert) || place.expert < 0)
    return std::nullopt;
  parts.pop_back();
  if (parts.back() != "experts") return std::nullopt;
  for (const Matrix& known : kMatrices) {
    if (known.name != matrix) continue;
    place.tensor =
        ModernName(absl::StrCat(absl::StrJoin(parts, "."), ".", known.fused));
    place.part = known.part;
    place.parts = known.parts;
    return place;
  }
  return std::nullopt;
}

std::optional<int64_t> OffsetIn(const FusedPlace& place,
                                const std::vector<int64_t>& fused,
                                const std::vector<int64_t>& shape) {
  const bool fits = fused.size() == 3 && shape.size() == 2 &&
                    place.expert < fused[0] &&
                    fused[1] == place.parts * shape[0] && fused[2] == shape[1];
  if (!fits) return std::nullopt;
  return (place.expert * place.parts + place.part) * shape[0] * shape[1];
}

}  // namespace autotp::model
