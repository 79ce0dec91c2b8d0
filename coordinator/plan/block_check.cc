#include "coordinator/plan/block_check.h"

#include <algorithm>
#include <functional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "coordinator/plan/shape_claim.h"

namespace autotp::plan {
namespace {

std::string Sum(const std::vector<int64_t>& blocks) {
  constexpr size_t kMostWritten = 16;
  if (blocks.size() <= kMostWritten) return absl::StrJoin(blocks, " + ");
  return absl::StrCat(blocks.size(), " blocks, the first of ", blocks[0]);
}

std::string Described(const program::Parameter& parameter) {
  return absl::StrCat(parameter.name, " [",
                      absl::StrJoin(parameter.shape, ", "), "]");
}

// The shape that says those blocks.
std::string ShapeFor(const std::vector<int64_t>& blocks, int dim) {
  const std::string sizes = absl::StrCat("[", absl::StrJoin(blocks, ", "), "]");
  return dim == 0 ? absl::StrCat("[", sizes, ", -1]")
                  : absl::StrCat("[-1, ", sizes, "]");
}

}  // namespace

bool BlockCheck::IsFirst(const Rule& rule, absl::string_view reason) {
  return reported_.emplace(&rule, reason).second;
}

void BlockCheck::Check(const Rule& rule, size_t parameter, int dim,
                       bool is_transposed) {
  if (!blocks_.has_value()) blocks_.emplace(program_);
  const std::vector<int64_t> blocks =
      blocks_->Of(parameter, is_transposed ? 1 - dim : dim);
  if (rule.origin_kind == RuleOrigin::kPreset) {
    CheckPreset(rule, parameter, blocks);
  } else if (!rule.shape.empty()) {
    CheckShape(rule, parameter, dim, is_transposed, blocks);
  } else if (rule.origin_kind == RuleOrigin::kSpec && blocks.size() > 1 &&
             IsFirst(rule, "FUSED_WEIGHT")) {
    diagnostics_->Note(
        rule.place, "FUSED_WEIGHT",
        absl::StrCat(Described(program_.parameters[parameter]),
                     " is fused: each of its blocks ", Sum(blocks),
                     " is cut on its own; DeepSpeed cuts it through them "
                     "where no shape is given"),
        absl::StrCat("for DeepSpeed write \"shape\": ", ShapeFor(blocks, dim)));
  }
}

void BlockCheck::CheckShape(const Rule& rule, size_t parameter, int dim,
                            bool is_transposed,
                            const std::vector<int64_t>& blocks) {
  const program::Parameter& weight = program_.parameters[parameter];
  std::vector<int64_t> shape = weight.shape;  // [out, in]
  if (is_transposed) std::reverse(shape.begin(), shape.end());
  const auto claim = ReadShapeClaim(rule.shape, rule.partition_dim, shape);
  if (!claim.ok()) {
    if (IsFirst(rule, "SHAPE_IMPOSSIBLE")) {
      diagnostics_->Error(
          rule.shape_place, "SHAPE_IMPOSSIBLE",
          absl::StrCat(weight.name, ": ", claim.status().message()),
          absl::StrCat("write \"shape\": ", ShapeFor(blocks, dim),
                       ", or leave shape out: the blocks come from the model"));
    }
    return;
  }
  if (claim->dim != dim) {
    if (IsFirst(rule, "SHAPE_AGAINST_TYPE")) {
      diagnostics_->Error(
          rule.shape_place, "SHAPE_AGAINST_TYPE",
          absl::StrCat(ActionName(rule.action), " cuts the ",
                       dim == 0 ? "output" : "input", " features of ",
                       Described(weight), ", but partition_dim ",
                       rule.partition_dim, " of shape ", ShapeText(rule.shape),
                       " is of its ", dim == 0 ? "input" : "output",
                       " features"),
          dim == 0 ? "partition_dim has to be before the last dimension"
                   : "partition_dim has to be the last dimension");
    }
    return;
  }
  if (claim->count_is_width && IsFirst(rule, "SHAPE_COUNT_IS_WIDTH")) {
    const int64_t count = claim->view[rule.partition_dim];
    diagnostics_->Warning(
        rule.shape_place, "SHAPE_COUNT_IS_WIDTH",
        absl::StrCat("at partition_dim a number counts equal blocks: ", count,
                     " blocks of width 1 of ", Described(weight),
                     ", all of which DeepSpeed gives to the first rank; it is "
                     "taken as the width"),
        "write -1 there");
  }
  if (claim->blocks.empty() || claim->blocks == blocks) return;
  if (!IsFirst(rule, "SHAPE_CONTRADICTS_MODEL")) return;
  diagnostics_->Error(
      rule.shape_place, "SHAPE_CONTRADICTS_MODEL",
      absl::StrCat("shape ", ShapeText(rule.shape), " says that ",
                   Described(weight), " has the blocks ", Sum(claim->blocks),
                   ", but the model computes with ", Sum(blocks)),
      absl::StrCat("write \"shape\": ", ShapeFor(blocks, dim),
                   ", or leave shape out: the blocks come from the model"));
}

void BlockCheck::CheckPreset(const Rule& rule, size_t parameter,
                             const std::vector<int64_t>& blocks) {
  const program::Parameter& weight = program_.parameters[parameter];
  if (!rule.differs.empty() && IsFirst(rule, "differs")) {
    diagnostics_->Note(
        rule.place, "PRESET_DIFFERS",
        absl::StrCat(rule.origin, " on ", weight.name, ": ", rule.differs));
  }
  const auto count = static_cast<size_t>(rule.deepspeed_blocks);
  const bool is_equal =
      blocks.size() == count &&
      std::adjacent_find(blocks.begin(), blocks.end(), std::not_equal_to<>()) ==
          blocks.end();
  if (is_equal || !IsFirst(rule, "blocks")) return;
  const std::string theirs =
      count == 1 ? "as one block" : absl::StrCat("as ", count, " equal blocks");
  diagnostics_->Note(
      rule.place, "PRESET_DIFFERS",
      absl::StrCat(rule.origin, " on ", Described(weight),
                   ": each of its blocks ", Sum(blocks),
                   " is cut on its own; DeepSpeed cuts it ", theirs,
                   ", which gives its ranks the wrong rows"));
}

}  // namespace autotp::plan
