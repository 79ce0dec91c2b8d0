#include "tests/support/mixture_kernels.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>

namespace autotp::testing {

using program::IntegerOf;
using program::Node;

namespace {

using Numbers = std::vector<double>;

Numbers Softmax(const double* x, int64_t count) {
  const double most = *std::max_element(x, x + count);
  Numbers y;
  for (int64_t i = 0; i < count; ++i) y.push_back(std::exp(x[i] - most));
  const double sum = std::accumulate(y.begin(), y.end(), 0.0);
  for (double& number : y) number /= sum;
  return y;
}

// The positions of the `count` largest numbers, the largest first.
std::vector<int64_t> Largest(const Numbers& numbers, int64_t count) {
  std::vector<int64_t> order(numbers.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return numbers[a] > numbers[b];
  });
  order.resize(count);
  return order;
}

// Scores of one token, and the experts that it goes to.
struct Choice {
  Numbers scores;
  std::vector<int64_t> experts;
};

Choice Choose(const Node& node, const double* logits, int64_t count,
              const Tensor* bias) {
  Choice choice;
  if (TextOf(node, "scores") == "softmax") {
    choice.scores = Softmax(logits, count);
  } else {
    for (int64_t e = 0; e < count; ++e)
      choice.scores.push_back(1 / (1 + std::exp(-logits[e])));
  }
  Numbers ranked = choice.scores;
  for (int64_t e = 0; bias != nullptr && e < count; ++e)
    ranked[e] += bias->data[e];
  const int64_t groups = IntegerOf(node, "groups", 1);
  if (groups > 1) {
    const int64_t size = count / groups;
    Numbers best;
    for (int64_t g = 0; g < groups; ++g) {
      Numbers own(ranked.begin() + g * size, ranked.begin() + (g + 1) * size);
      std::sort(own.begin(), own.end(), std::greater<>());
      best.push_back(own[0] + own[1]);
    }
    std::vector<bool> open(groups, false);
    for (int64_t g : Largest(best, IntegerOf(node, "top_groups", 1)))
      open[g] = true;
    for (int64_t e = 0; e < count; ++e)
      if (!open[e / size]) ranked[e] = -INFINITY;
  }
  choice.experts = Largest(ranked, IntegerOf(node, "top_k"));
  return choice;
}

double ChosenSum(const Choice& choice) {
  double sum = 0;
  for (int64_t e : choice.experts) sum += choice.scores[e];
  return sum;
}

// gradient of softmax's input, given that of its output.
Numbers SoftmaxBackward(const Numbers& scores, const Numbers& gradient) {
  const double mean =
      std::inner_product(scores.begin(), scores.end(), gradient.begin(), 0.0);
  Numbers back;
  for (size_t i = 0; i < scores.size(); ++i)
    back.push_back(scores[i] * (gradient[i] - mean));
  return back;
}

}  // namespace

std::vector<Tensor> RouterForward(const Node& node, const Tensor& logits,
                                  const Tensor* bias) {
  const int64_t count = logits.shape.back();
  std::vector<int64_t> shape = logits.shape;
  shape.back() = IntegerOf(node, "top_k");
  Tensor weights{shape, {}};
  Tensor experts{shape, {}};
  for (size_t row = 0; row < logits.data.size(); row += count) {
    const Choice choice = Choose(node, &logits.data[row], count, bias);
    const double sum = FlagOf(node, "normalize", false) ? ChosenSum(choice) : 1;
    for (int64_t e : choice.experts) {
      weights.data.push_back(choice.scores[e] / sum *
                             NumberOf(node, "scale", 1.0));
      experts.data.push_back(static_cast<double>(e));
    }
  }
  return {weights, experts};
}

std::vector<Tensor> RouterBackward(const Node& node, const Tensor& logits,
                                   const Tensor* bias, const Tensor& gradient) {
  const int64_t count = logits.shape.back();
  const int64_t top_k = IntegerOf(node, "top_k");
  const double scale = NumberOf(node, "scale", 1.0);
  std::vector<Tensor> grads{Zeros(logits.shape), {}};
  if (bias != nullptr) grads[1] = Zeros(bias->shape);
  for (size_t row = 0; row < logits.data.size() / count; ++row) {
    const Choice choice = Choose(node, &logits.data[row * count], count, bias);
    const double* g = &gradient.data[row * top_k];
    const double sum = FlagOf(node, "normalize", false) ? ChosenSum(choice) : 1;
    double mean = 0;
    for (int64_t j = 0; j < top_k; ++j)
      mean += g[j] * choice.scores[choice.experts[j]] / sum;
    Numbers slope(count, 0);
    for (int64_t j = 0; j < top_k; ++j) {
      slope[choice.experts[j]] =
          scale * (g[j] - (FlagOf(node, "normalize", false) ? mean : 0)) / sum;
    }
    if (TextOf(node, "scores") == "softmax") {
      slope = SoftmaxBackward(choice.scores, slope);
    } else {
      for (int64_t e = 0; e < count; ++e)
        slope[e] *= choice.scores[e] * (1 - choice.scores[e]);
    }
    std::copy(slope.begin(), slope.end(), &grads[0].data[row * count]);
  }
  return grads;
}

namespace {

// One choice of one token: where its numbers lie.
struct Routed {
  const double* x;
  int64_t token;
  int64_t choice;         // in the flat weights
  size_t gate, up, down;  // inputs
};

template <typename Visit>
void ForEachChoice(const Node& node, const TensorPointers& in, Visit visit) {
  const int64_t count = IntegerOf(node, "count");
  const int64_t width = in[0]->shape.back();
  const int64_t top_k = in[1]->shape.back();
  for (size_t c = 0; c < in[1]->data.size(); ++c) {
    const int64_t choice = static_cast<int64_t>(c);
    const size_t expert = 3 + static_cast<size_t>(in[2]->data[c]);
    const int64_t token = choice / top_k;
    visit(Routed{&in[0]->data[token * width], token, choice, expert,
                 expert + count, expert + 2 * count});
  }
}

double Dot(const double* a, const double* b, int64_t count) {
  return std::inner_product(a, a + count, b, 0.0);
}

}  // namespace

Tensor ExpertsForward(const Node& node, const TensorPointers& in) {
  Tensor y = Zeros(in[0]->shape);
  const int64_t width = in[0]->shape.back();
  const int64_t inner = in[3]->shape[0];
  ForEachChoice(node, in, [&](const Routed& at) {
    for (int64_t i = 0; i < inner; ++i) {
      const double gate = Dot(&in[at.gate]->data[i * width], at.x, width);
      const double up = Dot(&in[at.up]->data[i * width], at.x, width);
      const double a = Activate(node, gate) * up * in[1]->data[at.choice];
      for (int64_t j = 0; j < width; ++j) {
        y.data[at.token * width + j] += a * in[at.down]->data[j * inner + i];
      }
    }
  });
  return y;
}

std::vector<Tensor> ExpertsBackward(const Node& node, const TensorPointers& in,
                                    const Tensor& gradient) {
  std::vector<Tensor> grads;
  for (const Tensor* input : in) grads.push_back(Zeros(input->shape));
  grads[2] = {};
  const int64_t width = in[0]->shape.back();
  const int64_t inner = in[3]->shape[0];
  ForEachChoice(node, in, [&](const Routed& at) {
    const double weight = in[1]->data[at.choice];
    const double* g = &gradient.data[at.token * width];
    for (int64_t i = 0; i < inner; ++i) {
      const double* gate_row = &in[at.gate]->data[i * width];
      const double* up_row = &in[at.up]->data[i * width];
      const double gate = Dot(gate_row, at.x, width);
      const double up = Dot(up_row, at.x, width);
      const double a = Activate(node, gate) * up;
      double da = 0;
      for (int64_t j = 0; j < width; ++j) {
        da += g[j] * in[at.down]->data[j * inner + i];
        grads[at.down].data[j * inner + i] += weight * g[j] * a;
      }
      grads[1].data[at.choice] += da * a;
      const double dgate = weight * da * up * ActivateSlope(node, gate);
      const double dup = weight * da * Activate(node, gate);
      for (int64_t j = 0; j < width; ++j) {
        grads[at.gate].data[i * width + j] += dgate * at.x[j];
        grads[at.up].data[i * width + j] += dup * at.x[j];
        grads[0].data[at.token * width + j] +=
            dgate * gate_row[j] + dup * up_row[j];
      }
    }
  });
  return grads;
}

namespace {

// Over all tokens of all routers, divided by their number.
struct Balance {
  Numbers choices;
  Numbers scores;
  double tokens = 0;
};

Balance BalanceOf(const Node& node, const TensorPointers& logits) {
  const int64_t count = logits[0]->shape.back();
  Balance balance{Numbers(count, 0), Numbers(count, 0)};
  for (const Tensor* layer : logits) {
    for (size_t row = 0; row < layer->data.size(); row += count) {
      const Numbers scores = Softmax(&layer->data[row], count);
      for (int64_t e : Largest(scores, IntegerOf(node, "top_k")))
        balance.choices[e] += 1;
      for (int64_t e = 0; e < count; ++e) balance.scores[e] += scores[e];
      balance.tokens += 1;
    }
  }
  for (int64_t e = 0; e < count; ++e) {
    balance.choices[e] /= balance.tokens;
    balance.scores[e] /= balance.tokens;
  }
  return balance;
}

}  // namespace

Tensor RouterLossForward(const Node& node, const TensorPointers& logits) {
  const Balance balance = BalanceOf(node, logits);
  return {{},
          {static_cast<double>(balance.scores.size()) *
           std::inner_product(balance.scores.begin(), balance.scores.end(),
                              balance.choices.begin(), 0.0)}};
}

std::vector<Tensor> RouterLossBackward(const Node& node,
                                       const TensorPointers& logits,
                                       const Tensor& gradient) {
  const Balance balance = BalanceOf(node, logits);
  const int64_t count = logits[0]->shape.back();
  Numbers slope = balance.choices;
  for (double& number : slope) {
    number *= gradient.data[0] * static_cast<double>(count) / balance.tokens;
  }
  std::vector<Tensor> grads;
  for (const Tensor* layer : logits) {
    Tensor grad = Zeros(layer->shape);
    for (size_t row = 0; row < layer->data.size(); row += count) {
      const Numbers back =
          SoftmaxBackward(Softmax(&layer->data[row], count), slope);
      std::copy(back.begin(), back.end(), &grad.data[row]);
    }
    grads.push_back(std::move(grad));
  }
  return grads;
}

}  // namespace autotp::testing
