// raise.h -- ATen operations become this project's own where they are known.
//
// Flow: program_file.h -> Raise() -> planner/, as for a native family.
//
// One pass over the program. Each node is first put into the one form that an
// operation of ours has (structure.cc: views are reshapes, splits are slices),
// then the patterns that end at it are tried (norms.cc, rotary.cc,
// attention.cc, activations.cc, dropout.cc, loss.cc, mixture.cc,
// router_loss.cc); what works on merged leading dimensions is done on them
// apart (merged.cc). What is not recognised stays an ATen operation: right,
// without a fast kernel.
#ifndef AUTOTP_COORDINATOR_MODEL_EXPORTED_RAISE_H_
#define AUTOTP_COORDINATOR_MODEL_EXPORTED_RAISE_H_

#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/model/exported/rewriter.h"
#include "coordinator/program/program.h"

namespace autotp::model {

// REQUIRES: `source` has passed CheckProgram. INVALID_ARGUMENT: it holds what
// can't be trained (dropout).
absl::StatusOr<program::Program> Raise(const program::Program& source);

// Arguments of an ATen node. A file may say anything: one of another type is
// as good as absent.
int64_t AtenInteger(const program::Node& node, absl::string_view name,
                    int64_t fallback);
double AtenNumber(const program::Node& node, absl::string_view name,
                  double fallback);
bool AtenFlag(const program::Node& node, absl::string_view name, bool fallback);
std::vector<int64_t> AtenIntegers(const program::Node& node,
                                  absl::string_view name);

// A node of the source whose inputs are those here; those that its operation
// needs are there.
struct Raised {
  const program::Node& node;
  const program::Program& source;
  std::vector<program::ValueId> in;  // as mapped; kNoValue where absent

  absl::string_view name() const { return node.aten; }
  const std::vector<int64_t>& out_shape(size_t i = 0) const {
    return source.values[node.outputs[i]].shape;
  }
  int64_t Integer(absl::string_view argument, int64_t fallback) const {
    return AtenInteger(node, argument, fallback);
  }
  double Number(absl::string_view argument, double fallback) const {
    return AtenNumber(node, argument, fallback);
  }
  bool Flag(absl::string_view argument, bool fallback) const {
    return AtenFlag(node, argument, fallback);
  }
  std::vector<int64_t> Integers(absl::string_view argument) const {
    return AtenIntegers(node, argument);
  }
  // A dimension, counted from the front; -1 if it is none.
  int64_t Dim(absl::string_view argument, int64_t fallback, size_t rank) const;
};

// Each gives the values of the node's outputs, or nothing where it does not
// know the node.
using Raiser = std::vector<program::ValueId>(Rewriter& to, const Raised& node);
Raiser RaiseStructure;   // views, slices, joins, casts
Raiser RaiseRepeats;     // expansions and repetitions
Raiser RaiseDropout;     // dropout of any value
Raiser RaiseProduct;     // linear, embedding, add, mul
Raiser RaiseNorm;        // norms that are one operation
Raiser RaiseActivation;  // activations that are one operation
Raiser RaiseAttention;   // what is one operation
Raiser RaiseLoss;        // cross-entropy of tokens

// x, dropped by our counters; kNoValue if that is not possible. It needs to
// know where the sequences are: in the dimension that is as long as the
// micro-batch, or its rows are those of one sequence after the other.
program::ValueId Drop(Rewriter& to, program::ValueId x, double probability,
                      int64_t stream, const program::Program& source);

// Fused attention with dropout, as products and a softmax; kNoValue where it is
// none.
program::ValueId WriteOutAttention(Rewriter& to, const Raised& node);

// At the end: strided slices that no pattern took (strides.cc).
program::Program SpreadStrides(program::Program source);

// Experts are an operation of ours in the file already; the value of theirs
// with the router that chose them, or kNoValue.
program::ValueId RaiseExperts(Rewriter& to, const program::Node& node,
                              std::vector<program::ValueId> inputs);

// Patterns that end at a value of ours: a better one for it, else `v`.
using Pattern = program::ValueId(Rewriter& to, program::ValueId v);
Pattern MatchRmsNorm;
Pattern MatchLayerNorm;
Pattern MatchHeadNorms;
Pattern MatchActivation;
Pattern MatchRotary;
Pattern MatchRouterLoss;
Pattern MatchAttention;  // written out with a softmax

// The same operation on the leading dimensions that a reshape merged before it,
// in a shape of its own; `v` where there are none. Heads that are merged with
// sequences could not be cut.
Pattern ApartFromMerge;

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_EXPORTED_RAISE_H_
