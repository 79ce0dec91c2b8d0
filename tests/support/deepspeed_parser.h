// deepspeed_parser.h -- DeepSpeed's name-based parser, for comparison: what its
// heuristics decide about the linears of one transformer block.
//
// They look at names of at most two parts, the order in which modules are
// defined, and words in the names of classes; never at what is computed.
#ifndef AUTOTP_TESTS_SUPPORT_DEEPSPEED_PARSER_H_
#define AUTOTP_TESTS_SUPPORT_DEEPSPEED_PARSER_H_

#include <map>
#include <string>
#include <vector>

namespace autotp::testing {

struct Module {
  enum class Kind { kModule, kLinear, kConv1d, kLayerNorm };
  std::string key;   // "q_proj"
  std::string type;  // "LlamaAttention"
  Kind kind = Kind::kModule;
  std::vector<Module> children;  // in the order of their definition
};

struct ParserInput {
  std::string head;  // how the whole model prints itself, its beginning
  std::string type;  // of the block: "<class '...LlamaDecoderLayer'>"
  std::vector<Module> block;
};

struct ParserOutput {
  std::string refused;  // why nothing is decided; empty: it is
  // By name within the block: "column", "row", "whole", "column, halves",
  // "column, fused as phi3type" ("None": a layout that it does not know).
  std::map<std::string, std::string> decisions;
};

ParserOutput ParseBlock(const ParserInput& input);

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_SUPPORT_DEEPSPEED_PARSER_H_
