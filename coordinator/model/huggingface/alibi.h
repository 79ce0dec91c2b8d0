// alibi.h -- the slopes of attention with linear biases.
#ifndef AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_ALIBI_H_
#define AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_ALIBI_H_

#include <cstdint>
#include <vector>

namespace autotp::model {

// One per head, as fp32 values: powers of a base that depends on the power of
// two below the number of heads; heads beyond it take the odd powers of the
// next base.
std::vector<double> AlibiSlopes(int64_t heads);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_ALIBI_H_
