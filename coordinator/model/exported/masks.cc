#include "coordinator/model/exported/masks.h"

#include <algorithm>

#include "coordinator/model/exported/raise.h"

namespace autotp::model {

using program::kNoValue;
using program::Node;
using program::Operation;
using program::ValueId;
using program::ValueKind;

namespace {

constexpr double kVeryLittle = -1e30;

// Ones between two diagonals: tril and triu of ones.
std::optional<Mask> ReadBand(const Rewriter& to, ValueId mask) {
  Mask band;
  if (const Node* upper = to.Producer(mask, "aten.triu.default")) {
    band.window = 1 - AtenInteger(*upper, "diagonal", 0);
    if (band.window < 1) return std::nullopt;
    mask = upper->inputs[0];
  }
  const Node* lower = to.Producer(mask, "aten.tril.default");
  if (lower == nullptr) return std::nullopt;
  const int64_t ahead = AtenInteger(*lower, "diagonal", 0);
  band.causal = ahead == 0;
  if (!band.causal && ahead != band.window - 1) return std::nullopt;
  if (to.Producer(lower->inputs[0], "aten.ones.default", 0) == nullptr)
    return std::nullopt;
  return band;
}

bool IsAllTrue(const Rewriter& to, ValueId mask) {
  const Node* full = to.Producer(mask, "aten.full.default", 0);
  return (full != nullptr && (AtenFlag(*full, "fill_value", false) ||
                              AtenNumber(*full, "fill_value", 0) == 1)) ||
         to.Producer(mask, "aten.ones.default", 0) != nullptr;
}

ValueId WithoutExpansions(const Rewriter& to, ValueId v) {
  for (;;) {
    const Node* expand = to.Producer(v, Operation::kExpand);
    if (expand == nullptr) return v;
    v = expand->inputs[0];
  }
}

}  // namespace

std::optional<Mask> Both(const std::optional<Mask>& a,
                         const std::optional<Mask>& b) {
  if (!a.has_value() || !b.has_value()) return std::nullopt;
  if (a->seen != kNoValue && b->seen != kNoValue) return std::nullopt;
  const int64_t least = std::min(a->window, b->window);
  return Mask{a->causal || b->causal,
              least > 0 ? least : std::max(a->window, b->window),
              std::max(a->seen, b->seen)};
}

std::optional<Mask> ReadMask(const Rewriter& to, ValueId mask) {
  const ValueId narrow = to.Narrowest(mask);
  if (const std::optional<Mask> band = ReadBand(to, narrow)) return band;
  if (IsAllTrue(to, narrow)) return Mask{};
  for (absl::string_view both :
       {"aten.__and__.Tensor", "aten.bitwise_and.Tensor",
        "aten.logical_and.default"}) {
    if (const Node* node = to.Producer(narrow, both, 2))
      return Both(ReadMask(to, node->inputs[0]), ReadMask(to, node->inputs[1]));
  }
  const ValueId seen = WithoutExpansions(to, mask);
  const std::vector<int64_t>& shape = to.ShapeOf(seen);
  if (to.ValueOf(seen).kind != ValueKind::kBool || shape.size() != 4 ||
      shape[1] != 1 || shape[2] != 1)
    return std::nullopt;
  return Mask{.seen = seen};
}

std::optional<Mask> ReadAddedMask(const Rewriter& to, ValueId mask) {
  const Node* where = to.Producer(to.Narrowest(mask), "aten.where.self", 3);
  if (where == nullptr ||
      to.Producer(where->inputs[1], "aten.zeros.default", 0) == nullptr ||
      !IsVeryLittle(to, where->inputs[2]))
    return std::nullopt;
  return ReadMask(to, where->inputs[0]);
}

bool IsVeryLittle(const Rewriter& to, ValueId v) {
  const Node* number = to.Producer(to.Narrowest(v), "aten.full.default", 0);
  return number != nullptr &&
         AtenNumber(*number, "fill_value", 0) < kVeryLittle;
}

}  // namespace autotp::model
