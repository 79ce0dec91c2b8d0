// sequence_parallel.h -- activations between blocks cut by tokens.
//
// Flow: propagate.h -> CutTokens -> gradient_modes.h.
//
// Where all ranks would compute the same numbers from whole values (norms,
// residual additions, embeddings), each computes those of its own tokens:
// sums over the ranks become reduce-scatters, and what needs every token gets
// a gather. The residual stream is always cut. Which operations else is the cut
// of the program that sends the fewest numbers (least_cut.h), and of these the
// one that cuts the most: so the input of q, k and v is gathered once, keys and
// values that every rank needs are computed from it, latents are gathered where
// they are narrow, and logits never.
#ifndef AUTOTP_COORDINATOR_PARTITION_SEQUENCE_PARALLEL_H_
#define AUTOTP_COORDINATOR_PARTITION_SEQUENCE_PARALLEL_H_

#include "coordinator/partition/axes.h"
#include "coordinator/partition/spmd_program.h"

namespace autotp::partition {

// `spmd` without copies yet. Tokens are spread as evenly as can be.
void CutTokens(const program::Program& program, const Axes& axes,
               SpmdProgram* spmd);

}  // namespace autotp::partition

#endif  // AUTOTP_COORDINATOR_PARTITION_SEQUENCE_PARALLEL_H_
