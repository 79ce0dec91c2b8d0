// models.h -- tiny models of the usual shapes, written with the builder.
#ifndef AUTOTP_TESTS_UNIT_COORDINATOR_PARTITION_MODELS_H_
#define AUTOTP_TESTS_UNIT_COORDINATOR_PARTITION_MODELS_H_

#include <cstdint>

#include "coordinator/program/program.h"

namespace autotp::partition {

struct LlamaShape {
  int layers = 2;
  int64_t batch = 2;
  int64_t tokens = 5;
  int64_t hidden = 12;
  int64_t heads = 4;
  int64_t groups = 2;
  int64_t head_width = 4;
  int64_t intermediate = 10;
  int64_t vocabulary = 23;
  bool attention_bias = false;
  bool mlp_bias = false;
  bool tied = false;
  bool head_norms = false;  // qwen3
  bool full_norms = false;  // olmo2: over all heads at once
  bool full_layer_norms = false;
  bool fused = false;  // phi3: qkv_proj and gate_up_proj
  int64_t window = 0;
  int64_t padding_idx = -1;
  double dropout = 0;  // of softmax, of what branches add, of the gate
};

program::Program MakeLlama(const LlamaShape& shape);

struct Gpt2Shape {
  int layers = 2;
  int64_t heads = 4;
  int64_t hidden = 16;
  int64_t vocabulary = 19;
  bool fused = true;      // c_attn
  bool parallel = false;  // attention and MLP beside each other
  int norms = 2;          // of a parallel block: 1 or 2
  double dropout = 0;     // of softmax, embeddings, of what branches add
};

program::Program MakeGpt2(const Gpt2Shape& shape);

}  // namespace autotp::partition

#endif  // AUTOTP_TESTS_UNIT_COORDINATOR_PARTITION_MODELS_H_
