// reduce.h -- adds up the same elements of several ranks, on the host.
#ifndef AUTOTP_WORKER_COLLECTIVE_REDUCE_H_
#define AUTOTP_WORKER_COLLECTIVE_REDUCE_H_

#include <cstdint>

#include "worker/collective/communicator.h"

namespace autotp::collective {

// output[i] = inputs[0][i] op inputs[1][i] op ... in that order, for `count`
// elements. Sums of 16-bit types are accumulated in fp32 and rounded once, to
// nearest even; a NaN in any input makes the result NaN, for kMax too.
// `output` may be one of the inputs, not overlap one otherwise.
// `type` is not kByte; inputs_count >= 1.
void Reduce(ElementType type, Reduction op, const void* const* inputs,
            int inputs_count, int64_t count, void* output);

}  // namespace autotp::collective

#endif  // AUTOTP_WORKER_COLLECTIVE_REDUCE_H_
