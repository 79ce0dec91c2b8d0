// weight_match.h -- every parameter of a program finds its stored tensor.
#ifndef AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_WEIGHT_MATCH_H_
#define AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_WEIGHT_MATCH_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "autotp/v1/common.pb.h"
#include "coordinator/model/huggingface/weight_files.h"
#include "coordinator/program/program.h"

namespace autotp::model {

// Sets source_file and source_tensor of each parameter: the tensor of its
// name, else of an alias (a tied head), else of the name without
// "`base_prefix`." (models saved without their head), else a part of a tensor
// of all experts (fused_experts.h).
//
// Findings, about `folder` or a file: WEIGHTS_INCOMPLETE (tensors that are
// missing), WEIGHTS_SHAPE_MISMATCH, WEIGHTS_DTYPE_UNSUPPORTED. Warnings:
// WEIGHTS_UNUSED for tensors that no parameter takes; buffers that models
// compute themselves (rotary_emb.inv_freq) are passed over.
absl::Status MatchWeights(const std::string& folder,
                          const WeightTensors& tensors,
                          absl::string_view base_prefix,
                          program::Program* program,
                          std::vector<v1::Diagnostic>* warnings);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_WEIGHT_MATCH_H_
