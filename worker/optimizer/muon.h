// muon.h -- Muon: a momentum whose matrices are orthogonalised before they
// are applied (Jordan et al., as DeepSpeed has it).
//
//   m = momentum m + (1 - momentum) g
//   u = momentum m + (1 - momentum) g (nesterov), or m
//   w = (1 - rate weight_decay) w - rate sqrt(max(1, rows / columns)) ortho(u)
//
// ortho() is a few Newton-Schulz iterations on the whole matrix divided by its
// norm: singular values come near 1, vectors stay. A tensor of more than two
// dimensions is a stack of matrices.
//
// Pure; loops over fp32 arrays give the same bits however they are split.
#ifndef AUTOTP_WORKER_OPTIMIZER_MUON_H_
#define AUTOTP_WORKER_OPTIMIZER_MUON_H_

#include <cstdint>
#include <vector>

#include "autotp/v1/training.pb.h"
#include "worker/kernel/matrix_product.h"

namespace autotp::optimizer {

struct MuonStep {
  float gradient_factor = 1.0f;  // of clipping
  float momentum = 0.95f;
  float keep = 0.05f;  // 1 - momentum
  bool nesterov = true;
  float decay = 1.0f;  // weight factor: 1 - rate * weight_decay
  double rate = 0.0;
  int iterations = 5;
};

MuonStep MakeMuonStep(const v1::OptimizerConfig& config, double learning_rate,
                      double gradient_factor);

// Writes the direction before it is orthogonalised.
void UpdateMuonMomentum(const MuonStep& step, int64_t count,
                        const float* gradients, float* momentum_buffer,
                        float* directions);

// In place, row-major. `scratch` is kept between calls for its memory.
void Orthogonalize(kernel::MatrixProduct product, int iterations, int64_t rows,
                   int64_t columns, float* matrix, std::vector<float>& scratch);

// sqrt(max(1, rows / columns)) times the rate.
float MuonStepSize(const MuonStep& step, int64_t rows, int64_t columns);

void UpdateMuonWeights(const MuonStep& step, float step_size, int64_t count,
                       const float* directions, float* weights);

}  // namespace autotp::optimizer

#endif  // AUTOTP_WORKER_OPTIMIZER_MUON_H_
