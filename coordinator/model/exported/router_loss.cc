// How unevenly routers choose: a sum over all of them, written out.
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "coordinator/model/exported/choices.h"
#include "coordinator/model/exported/raise.h"

namespace autotp::model {

using program::kNoValue;
using program::Node;
using program::Operation;
using program::ValueId;

namespace {

constexpr double kTolerance = 1e-6;
constexpr double kMostExperts = 1 << 16;

bool IsZero(const Rewriter& to, ValueId v) {
  const Node* full = to.Producer(to.Narrowest(v), "aten.full.default", 0);
  return full != nullptr && AtenNumber(*full, "fill_value", 1) == 0;
}

// What is added up, without zeros.
void AddTerms(const Rewriter& to, ValueId v, std::vector<ValueId>* terms) {
  const Node* sum = to.Producer(v, Operation::kAdd);
  if (sum == nullptr) sum = to.Producer(v, "aten.add.Tensor", 2);
  if (sum == nullptr || AtenNumber(*sum, "alpha", 1) != 1) {
    if (!IsZero(to, v)) terms->push_back(v);
    return;
  }
  for (ValueId input : sum->inputs) AddTerms(to, input, terms);
}

// The terms of a mean over `rows`, and how often these were counted.
std::vector<ValueId> MeanOf(const Rewriter& to, ValueId v, double* rows) {
  const Node* scale = to.Producer(to.Flattened(v), Operation::kScale);
  std::vector<ValueId> terms;
  if (scale == nullptr || NumberOf(*scale, "factor") == 0) return terms;
  *rows = 1 / NumberOf(*scale, "factor");
  AddTerms(to, scale->inputs[0], &terms);
  return terms;
}

// The scores of whose choices v counts how many fell on each expert.
ValueId CountedScores(const Rewriter& to, ValueId v, int64_t experts,
                      int64_t* top_k) {
  const Node* count = to.Producer(v, "aten.histc.default");
  if (count == nullptr || AtenInteger(*count, "bins", 0) != experts ||
      AtenNumber(*count, "min", 0) != 0)
    return kNoValue;
  const auto most = static_cast<double>(experts);
  const double max = AtenNumber(*count, "max", 0);
  if (max != most && max != most - 1) return kNoValue;
  ValueId chosen = to.Flattened(count->inputs[0]);
  if (const Node* cast = to.Producer(chosen, "aten._to_copy.default"))
    chosen = to.Flattened(cast->inputs[0]);
  const Node* choice = TopK(to, chosen, 1);
  if (choice == nullptr) return kNoValue;
  *top_k = AtenInteger(*choice, "k", 0);
  return to.WithoutCasts(choice->inputs[0]);
}

// experts * sum(mean choices * mean scores).
ValueId Match(Rewriter& to, ValueId choices, ValueId scores, int64_t experts) {
  double counted = 0;
  double summed = 0;
  const std::vector<ValueId> counts = MeanOf(to, choices, &counted);
  const std::vector<ValueId> sums = MeanOf(to, scores, &summed);
  if (counts.empty() || counts.size() != sums.size()) return kNoValue;
  std::vector<ValueId> logits;
  int64_t top_k = 0;
  double rows = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    int64_t own = 0;
    const ValueId counted_scores = CountedScores(to, counts[i], experts, &own);
    if (counted_scores == kNoValue ||
        SummedOver(to, sums[i], 0, /*keeps=*/false) != counted_scores ||
        (i > 0 && own != top_k))
      return kNoValue;
    top_k = own;
    const ValueId of = SoftmaxOf(to, counted_scores);
    if (of == kNoValue || to.ShapeOf(of).size() != 2 ||
        to.ShapeOf(of)[1] != experts)
      return kNoValue;
    rows += static_cast<double>(to.ShapeOf(of)[0]);
    logits.push_back(BeforeRows(to, of));
  }
  for (double divisor : {counted, summed})
    if (!(std::abs(divisor - rows) <= kTolerance * rows)) return kNoValue;
  return to.Make(Operation::kRouterLoss, std::move(logits), {{"top_k", top_k}});
}

}  // namespace

ValueId MatchRouterLoss(Rewriter& to, ValueId v) {
  const Node* scale = to.Producer(v, Operation::kScale);
  if (scale == nullptr) return v;
  const double experts = NumberOf(*scale, "factor");
  const Node* sum = to.Producer(scale->inputs[0], "aten.sum.default");
  if (sum == nullptr || !(experts >= 1 && experts <= kMostExperts) ||
      experts != std::floor(experts))
    return v;
  const Node* product = to.Producer(sum->inputs[0], Operation::kMul);
  if (product == nullptr) return v;
  const ValueId sides[] = {product->inputs[0], product->inputs[1]};
  for (int i : {0, 1}) {
    const ValueId made =
        Match(to, sides[i], sides[1 - i], static_cast<int64_t>(experts));
    if (made != kNoValue) return made;
  }
  return v;
}

}  // namespace autotp::model
