// spread_values.h -- where the values of the program are while cuts are being
// carried through it, and how one gets from there to where it is needed.
//
// Each conversion (sum, gather, slice) is emitted once per value and shared.
#ifndef AUTOTP_COORDINATOR_PARTITION_SPREAD_VALUES_H_
#define AUTOTP_COORDINATOR_PARTITION_SPREAD_VALUES_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "coordinator/partition/reshape_cut.h"
#include "coordinator/partition/spmd_program.h"

namespace autotp::partition {

class SpreadValues {
 public:
  // Starts with the inputs and the parameters, cut as `parameter_cuts` say.
  SpreadValues(const program::Program& program, int ranks,
               const std::vector<DimCut>& parameter_cuts);

  bool IsWhole(program::ValueId v) const;
  bool IsCut(program::ValueId v) const;
  // A sum that is not all-reduced yet.
  bool IsPending(program::ValueId v) const;
  bool IsParameter(program::ValueId v) const { return is_parameter_[v]; }

  // REQUIRES: IsCut(v).
  DimCut CutOf(program::ValueId v) const;
  int CutValue(program::ValueId v) const { return states_[v].value; }

  // `v` whole on every rank, for `node`, which needs it so.
  int Whole(program::ValueId v, const program::Node& node);
  // `v` cut like that, for `node`.
  int Cut(program::ValueId v, const DimCut& cut, const program::Node& node);
  // Key or value heads of `v`, one for each of the rank's query heads (or one
  // per equal run of them): head h uses position h / repeat of dimension
  // `dim`.
  int KeyHeads(program::ValueId v, int dim, int64_t repeat,
               const RankIntervals& query_heads, const program::Node& node);

  // What a pending value consists of. REQUIRES: IsPending(v).
  int PartialOf(program::ValueId v) const { return states_[v].partial; }
  const std::vector<int>& TermsOf(program::ValueId v) const {
    return states_[v].terms;
  }

  // Adds a node with one new value, which holds `v` or a part of it.
  int Emit(SpmdNode node, SpmdValue value);
  // Adds a node that makes all of `outputs`, cut like that or whole.
  void EmitAll(SpmdNode node, const std::vector<program::ValueId>& outputs,
               const DimCut& cut);
  // A new value like `v` (name, kind, shape), whole.
  SpmdValue Like(program::ValueId v, absl::string_view suffix = "") const;

  void SetWhole(program::ValueId v, int value);
  // `v` is the sum over the ranks of `partial`, plus the whole `terms`.
  void SetPending(program::ValueId v, int partial, std::vector<int> terms,
                  const std::string& scope);

  SpmdProgram Finish(program::ValueId loss) &&;

 private:
  struct Slice {
    DimCut cut;
    int value = -1;
  };
  struct State {
    int value = -1;    // whole or cut; -1: pending or not made yet
    int whole = -1;    // gathered, of a cut value
    int partial = -1;  // pending
    std::vector<int> terms;
    std::vector<Slice> slices;
    std::string scope;
  };

  int Sum(program::ValueId v);
  int Gather(program::ValueId v, const program::Node& node);
  std::string GatherReason(program::ValueId v, const program::Node& node) const;
  // The nearest parameter behind `v` that is cut; or nullptr.
  const program::Parameter* CutBehind(program::ValueId v) const;
  // Is it a linear that is cut over its output, though its input comes cut?
  bool CouldBeRow(const program::Node& node) const;
  // The change of the rules that avoids a gather for `node`.
  std::string AdviceFor(const program::Parameter& cut,
                        const program::Node& node) const;
  int Take(program::ValueId v, int whole, const DimCut& cut,
           absl::string_view scope);

  const program::Program& program_;
  std::vector<State> states_;
  std::vector<bool> is_parameter_;
  std::vector<const program::Node*> producers_;  // [value]; or nullptr
  SpmdProgram spmd_;
};

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_SPREAD_VALUES_H_
