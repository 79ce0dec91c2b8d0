// mixture.h -- layers that are mixtures of experts, as families share them.
//
//   Mixture mixture(ReadMixture(config, {...}), {}, sizes);
//   ... y = mixture.Layer(b, x);                  // in the layer's scope
//   loss = mixture.AddBalance(b, loss);           // where the config asks
//
// Every expert's matrices are parameters of their own, as files store them.
#ifndef AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_MIXTURE_H_
#define AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_MIXTURE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/model/huggingface/config_reader.h"
#include "coordinator/model/huggingface/decoder.h"
#include "coordinator/program/builder.h"

namespace autotp::model {

struct MixtureConfig {
  int64_t experts = 0;  // 0: none of the layers is a mixture
  int64_t top_k = 0;
  int64_t inner = 0;  // width of an expert
  std::string scores = "softmax";
  bool normalize = false;  // the weights of a token's experts sum to one
  double scale = 1;
  int64_t groups = 1;
  int64_t top_groups = 1;
  // Logits in fp32, and "e_score_correction_bias" added for the choice.
  bool corrected = false;
  double balance = 0;  // the routers' unevenness counts in the loss by that
};

// What Transformers' config class calls and sets.
struct MixtureDefaults {
  absl::string_view experts_key = "num_experts";
  absl::string_view inner_key = "moe_intermediate_size";
  int64_t experts = 0;
  int64_t top_k = 0;
  int64_t inner = 0;
  bool normalize = false;
  double balance = 0.001;
};

// The common keys; mistakes are in config.status().
MixtureConfig ReadMixture(ConfigReader& config,
                          const MixtureDefaults& defaults);

// Which layers are mixtures, by "mlp_only_layers" and "decoder_sparse_step".
std::vector<bool> ReadSparseLayers(ConfigReader& config, int64_t layers);

// What a layer's modules are called.
struct MixtureNames {
  absl::string_view gate_proj = "gate_proj";
  absl::string_view up_proj = "up_proj";
  absl::string_view down_proj = "down_proj";
};

class Mixture {
 public:
  Mixture(MixtureConfig config, const DecoderSizes& sizes,
          const MixtureNames& names = {});

  // x[B,T,C] -> [B,T,C]: the router "gate" and the experts "experts.N".
  program::ValueId Layer(program::Builder& b, program::ValueId x);
  // The loss with the balance of all layers' routers, if that is wanted.
  program::ValueId AddBalance(program::Builder& b, program::ValueId loss) const;

 private:
  const MixtureConfig config_;
  const MixtureNames names_;
  const std::string activation_;
  const program::Initialization initialization_;
  std::vector<program::ValueId> logits_;  // of each layer's router
};

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_MIXTURE_H_
