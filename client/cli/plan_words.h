// plan_words.h -- parts of a plan in words, as all views of it write them.
// Pure.
#ifndef AUTOTP_CLIENT_CLI_PLAN_WORDS_H_
#define AUTOTP_CLIENT_CLI_PLAN_WORDS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "autotp/v1/plan.pb.h"

namespace autotp::cli {

// "[4096, 1024]"
std::string ShapeText(const google::protobuf::RepeatedField<int64_t>& shape);

// What each rank has of something, in rank order: "2 + 2 + 1", or
// "40*2 + 24*1" where that many ranks share.
std::string SharesText(const std::vector<int64_t>& shares);

// The shape on a rank: "[1024, 4096]"; where the ranks differ, all of them at
// the dimension that is cut: "[11+11+10, 4096]", or the least and the most:
// "[2389..2390, 4096]".
std::string LocalShapeText(const v1::ParameterPlan& parameter);

// "column", "row", "vocabulary", "whole"; "column, 3 blocks".
std::string PartitionText(const v1::ParameterPlan& parameter);

// "self_attn.q_proj: column. ..." -- the rule that decided, and why.
std::string ReasonText(const v1::ParameterPlan& parameter);

// Are activations between blocks cut by tokens? Their sums over the ranks then
// are reduce-scatters.
bool IsSequenceParallel(const v1::Plan& plan);

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_PLAN_WORDS_H_
