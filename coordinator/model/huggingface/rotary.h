// rotary.h -- the frequencies of rotary position embeddings.
//
// As Transformers computes them, in fp32 step by step; equal to the last bit
// but for its vectorized power, which may round the other way.
// Types: default, linear, llama3.
#ifndef AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_ROTARY_H_
#define AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_ROTARY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/model/huggingface/config_reader.h"

namespace autotp::model {

struct RotaryConfig {
  enum class Type { kDefault, kLinear, kLlama3 };
  Type type = Type::kDefault;
  double theta = 10000;
  double factor = 1;               // linear, llama3
  double low_freq_factor = 1;      // llama3
  double high_freq_factor = 4;     // llama3
  int64_t original_positions = 0;  // llama3
};

// Reads both spellings: rope_parameters, and rope_theta with rope_scaling.
// Another type, or a section per layer type, is a finding of `config`.
// `positions`: max_position_embeddings.
RotaryConfig ReadRotary(ConfigReader& config, double default_theta,
                        int64_t positions);

// head_width / 2 numbers, each exactly an fp32 value.
// REQUIRES: head_width is even.
std::vector<double> InverseFrequencies(const RotaryConfig& rotary,
                                       int64_t head_width);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_ROTARY_H_
