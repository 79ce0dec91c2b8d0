// block_check.h -- what a rule says of a weight's blocks against what the
// program tells.
//
// The program's blocks are what a cut follows, always. A `shape` that
// contradicts them is refused; a fused weight that is cut without one is noted,
// as is a preset whose blocks in DeepSpeed are others.
#ifndef AUTOTP_COORDINATOR_PLAN_BLOCK_CHECK_H_
#define AUTOTP_COORDINATOR_PLAN_BLOCK_CHECK_H_

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/config/diagnostics.h"
#include "coordinator/partition/program_blocks.h"
#include "coordinator/plan/rule.h"
#include "coordinator/program/program.h"

namespace autotp::plan {

class BlockCheck {
 public:
  BlockCheck(const program::Program& program, config::Diagnostics* diagnostics)
      : program_(program), diagnostics_(diagnostics) {}

  // `rule` cuts dimension `dim` of a linear's weight [out, in], which may be
  // stored as [in, out] (`is_transposed`). Reports each finding
  // once per rule: SHAPE_IMPOSSIBLE, SHAPE_AGAINST_TYPE,
  // SHAPE_CONTRADICTS_MODEL (errors), SHAPE_COUNT_IS_WIDTH (a warning),
  // FUSED_WEIGHT, PRESET_DIFFERS (notes).
  void Check(const Rule& rule, size_t parameter, int dim, bool is_transposed);

 private:
  bool IsFirst(const Rule& rule, absl::string_view reason);
  void CheckShape(const Rule& rule, size_t parameter, int dim,
                  bool is_transposed, const std::vector<int64_t>& blocks);
  void CheckPreset(const Rule& rule, size_t parameter,
                   const std::vector<int64_t>& blocks);

  const program::Program& program_;
  config::Diagnostics* diagnostics_;
  std::optional<partition::ProgramBlocks> blocks_;  // made when needed
  std::set<std::pair<const Rule*, std::string>> reported_;
};

}  // namespace autotp::plan

#endif  // AUTOTP_COORDINATOR_PLAN_BLOCK_CHECK_H_
