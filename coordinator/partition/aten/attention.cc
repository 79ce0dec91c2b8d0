#include "coordinator/partition/aten/kinds.h"

namespace autotp::partition::aten {

// Whatever is not labelled stays whole; so do fewer key heads.
bool Attention(AtenOperation& op) {
  const AtenOperation::Shape& out = op.output;
  if (op.inputs.size() < 3 || out.size() != 4) return false;
  for (size_t i : {0, 1, 2}) {
    const AtenOperation::Shape& in = op.inputs[i];
    if (in.size() != 4 || in[0] != out[0] || in[1] != out[1]) return false;
  }
  op.NumberOutput();
  enum { kBatch, kHead, kTime, kWidth, kKeyTime, kKeyWidth };
  const int labels[3][4] = {{kBatch, kHead, kTime, kKeyWidth},
                            {kBatch, kHead, kKeyTime, kKeyWidth},
                            {kBatch, kHead, kKeyTime, kWidth}};
  for (size_t i : {0, 1, 2})
    for (size_t d = 0; d < 4; ++d) op.rule.inputs[i][d].label = labels[i][d];
  for (int label : {kTime, kWidth, kKeyTime, kKeyWidth}) op.Block(label);
  if (op.inputs.size() < 4 || op.inputs[3].empty()) return true;
  const AtenOperation::Shape& mask = op.inputs[3];
  AtenOperation::Labels& of_mask = op.rule.inputs[3];
  if (mask.size() < 2 || mask.size() > 4) return false;
  const size_t lead = 4 - mask.size();
  for (size_t d = 0; d + 2 < mask.size(); ++d)
    if (mask[d] == out[lead + d]) of_mask[d].label = static_cast<int>(lead + d);
  const size_t rows = mask.size() - 2;
  if (mask[rows] == out[2]) of_mask[rows].label = kTime;
  if (mask[rows + 1] == op.inputs[1][2]) of_mask[rows + 1].label = kKeyTime;
  return true;
}

}  // namespace autotp::partition::aten
