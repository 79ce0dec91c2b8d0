// rotary.h -- the frequencies of rotary position embeddings.
//
// As Transformers computes them, in fp32 step by step; equal to the last bit
// but for its vectorized power, which may round the other way.
// Types: default, linear, dynamic, yarn, longrope, llama3.
#ifndef AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_ROTARY_H_
#define AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_ROTARY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/model/huggingface/config_reader.h"

namespace autotp::model {

struct RotaryConfig {
  enum class Type { kDefault, kLinear, kDynamic, kYarn, kLongRope, kLlama3 };
  Type type = Type::kDefault;
  double theta = 10000;
  int64_t width = 0;  // channels of a head that are rotated, from the first
  double table_scale = 1;          // of cos and sin
  double factor = 1;               // all but default
  int64_t positions = 0;           // dynamic: those that need no scaling
  int64_t original_positions = 0;  // yarn, longrope, llama3
  double low_freq_factor = 1;      // llama3
  double high_freq_factor = 4;     // llama3
  double ramp_begin = 0;           // yarn: kept before, divided after the end
  double ramp_end = 0;
  std::vector<double> short_factors;  // longrope: up to original_positions
  std::vector<double> long_factors;   // longrope: beyond
};

// What a family's config class has for keys that are absent.
struct RotaryDefaults {
  double theta = 10000;
  absl::string_view theta_key = "rope_theta";
  // Share of a head that is rotated; whole heads only unless `partial`.
  double share = 1;
  absl::string_view share_key = "partial_rotary_factor";
  bool partial = false;
  int64_t original_positions = 0;    // 0: max_position_embeddings
  bool yarn_means_longrope = false;  // phi3's first files
};

// Reads both spellings: rope_parameters, and rope_theta with rope_scaling.
// Another type, or a section per layer type, is a finding of `config`.
// `positions`: max_position_embeddings.
RotaryConfig ReadRotary(ConfigReader& config, const RotaryDefaults& defaults,
                        int64_t head_width, int64_t positions);

// The same from the object `section`, which may be absent.
RotaryConfig ReadRotarySection(ConfigReader& config, const std::string& section,
                               const RotaryDefaults& defaults,
                               int64_t head_width, int64_t positions);

// width / 2 numbers, each exactly an fp32 value, for sequences of `tokens`.
std::vector<double> InverseFrequencies(const RotaryConfig& rotary,
                                       int64_t tokens);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_ROTARY_H_
