// masks.h -- which keys a query sees, read off the operations that make a mask.
#ifndef AUTOTP_COORDINATOR_MODEL_EXPORTED_MASKS_H_
#define AUTOTP_COORDINATOR_MODEL_EXPORTED_MASKS_H_

#include <cstdint>
#include <optional>

#include "coordinator/model/exported/rewriter.h"

namespace autotp::model {

// As attention's attributes and its input `seen` say it (operation.h).
struct Mask {
  bool causal = false;
  int64_t window = 0;
  // A mask of any shape that broadcasts along heads and queries, [B,1,1,S];
  // kNoValue: every key may be seen.
  program::ValueId seen = program::kNoValue;
};

// Keys that both let a query see; nullopt: that is none of these.
std::optional<Mask> Both(const std::optional<Mask>& a,
                         const std::optional<Mask>& b);

// Of a mask that says true where a key is seen; nullopt: it is none of these.
std::optional<Mask> ReadMask(const Rewriter& to, program::ValueId mask);

// Of one that is added to the scores: 0, or very little.
std::optional<Mask> ReadAddedMask(const Rewriter& to, program::ValueId mask);

// A number, made for all places alike, that leaves no weight to a score.
bool IsVeryLittle(const Rewriter& to, program::ValueId v);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_EXPORTED_MASKS_H_
