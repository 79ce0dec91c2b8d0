// operation.h -- the operations of a program, and what each one means.
//
// This list is the contract between the coordinator, which writes programs
// (front ends, partitioner), and the worker, which runs them. Each operation
// has a shape rule (shape_rules.cc), a placement rule (partition/) and a
// forward and backward in the worker (worker/runtime/). Operations are pure
// and static in shape.
//
// Shapes: B sequences, T tokens, C model width, H query heads, G key and value
// heads (H is a multiple of G), D and W head widths, V vocabulary, E experts,
// K chosen experts, I their inner width, "..." any leading dimensions.
// Attributes in braces; those marked * have a default.
#ifndef AUTOTP_COORDINATOR_PROGRAM_OPERATION_H_
#define AUTOTP_COORDINATOR_PROGRAM_OPERATION_H_

#include <optional>

#include "absl/strings/string_view.h"

namespace autotp::program {

enum class Operation {
  // weight[V,C], ids[...] index -> [...,C].
  // {padding_idx* = -1: that row gets no gradient from the look-up}
  // Local form, rows cut: {row_begin, row_end}: this rank's weight holds the
  // rows [row_begin, row_end); other ids yield zeros: a partial sum. ids and
  // padding_idx stay global; a rank may hold no row (row_begin == row_end).
  kEmbedding,
  // x[...,K], weight[N,K], bias[N]? -> x weight^T + bias, [...,N].
  // {transposed* = false: the weight is [K,N], as a Conv1D stores it;
  // float32* = false: the result is kept in fp32}
  kLinear,
  // x[...,C], weight[C] -> x / sqrt(mean(x^2) + eps) * (weight + offset) over
  // the last dimension, computed in fp32. {eps, offset* = 0}
  // Local form, columns cut: {size}: all of C; the ranks then exchange one
  // number per row, in the forward and in the backward.
  kRmsNorm,
  // x[...,C], weight[C]?, bias[C]? -> over the last dimension, in fp32. {eps}
  kLayerNorm,
  // -> cos[T,R], sin[T,R], fp32: of position * inv_freq, each frequency twice
  // (first and second half), times `scale`. {inv_freq: R/2 numbers, length: T,
  // scale* = 1}
  kRotaryTable,
  // x[B,H,T,D], cos[T,R], sin[T,R] -> the first R channels in pairs turned: i
  // with i + R/2, the rest as they are. {interleaved* = false: pairs are 2i
  // with 2i + 1}
  kRotary,
  // -> bias[H,T], fp32: slope * position * scale. {slopes: H numbers,
  // length: T, scale* = 1, rounded* = false: slope and slope * position are
  // rounded to bf16}
  kAlibiTable,
  // q[B,H,T,D], k[B,G,S,D], v[B,G,S,W], bias[H,S]?, positions[B,T]? index,
  // seen[B,S]? bool -> [B,H,T,W]: softmax(s) v over the keys that a query sees,
  // where s = q k^T scale, s = soft_cap * tanh(s / soft_cap) if there is one,
  // and bias is added to the scores of its key; it has no gradient. A query
  // that sees no key gives 0.
  // {scale; causal* = true: a query sees itself and what comes before it, and
  // S is T; window* = 0: none, else no more than the window-1 tokens on each
  // side, and S is T; soft_cap* = 0: none; dropout* = 0, stream*: of the
  // softmax, a value [B,H,T,S], as kDropout's}
  // With positions, which are of a causal one, a query sees no more than itself
  // and as many tokens before it as its position says; with `seen`, only keys
  // that it says true of.
  // Local form, heads cut and dropped: {size: H, intervals: begins and ends of
  // this rank's}.
  kAttention,
  // x -> f(x). {kind: silu, gelu, gelu_tanh, relu, sigmoid; soft_cap:
  // limit * tanh(x / limit); clamp: to [-limit, limit]; limit*}
  kActivation,
  // gate, up (equal shapes) -> f(gate) * up. {kind, without a limit}
  kGatedActivation,
  // a, b -> a + b, a * b, with broadcasting of b to a's shape (b may lack
  // leading dimensions or have ones).
  kAdd,
  kMul,
  // x -> x * factor. {factor, rounded* = false: to the type x is stored in}
  kScale,
  // x[B,...] -> in training, each number 0 with that probability, else divided
  // by 1 - probability; x itself in an evaluation. Which are 0 is a function of
  // the run's seed, of `stream`, which no other operation of the program has,
  // of the sequence's place in the order of training, and of the position in
  // the whole value. {probability, stream}
  // Local form, cut: {dim, size: its whole length, intervals: begins and ends
  // of this rank's}.
  kDropout,
  // x -> the same numbers in the same order. {shape}
  kReshape,
  // x -> dimensions `a` and `b` swapped. {a, b}
  kTranspose,
  // x -> positions [begin, end) of dimension `dim`. {dim, begin, end}
  kSlice,
  // x0, x1, ... -> one after the other along `dim`. {dim}
  kConcat,
  // x0, x1, ... (equal shapes) -> the same along a new first dimension.
  kStack,
  // x -> its dimension `dim`, of length 1, repeated `size` times. {dim, size}
  kExpand,
  // logits[...,E], bias[E]? -> weights[...,K] fp32, experts[...,K] index: the
  // experts of each token, and what their results weigh. In fp32: scores are
  // f(logits); the K experts with the largest score + bias are chosen; they
  // weigh their scores (so the bias has no gradient), divided by the sum of the
  // K if `normalize`, times `scale`.
  // {top_k: K, scores: softmax, sigmoid; normalize* = false, scale* = 1,
  // groups* = 1, top_groups* = 1: experts are chosen from those of the `groups`
  // equal runs of experts whose two best sum to the most}
  kRouter,
  // x[...,C], weights[...,K], experts[...,K] index, E gates [I,C], E ups [I,C],
  // E downs [C,I] -> [...,C]: the sum over a token's experts of
  // weight * down (f(gate x) * up x). {kind, count: E}
  kExperts,
  // logits[...,E] of one router, of the next, ... -> scalar fp32: how unevenly
  // they choose. With f[E] the number of choices of each expert (the top_k
  // largest logits of each token) and P[E] the sum of its softmax scores, both
  // over all tokens and divided by their number: E sum(f P). Through P only has
  // it a gradient. {top_k}
  kRouterLoss,
  // logits[B,T,V], labels[B,T] index -> scalar fp32: the mean negative log
  // likelihood, in fp32, of labels[b,t+1] under logits[b,t], or of labels[b,t],
  // over all positions whose label is not -100; 0 where there is none.
  // {shift* = true: the label is the next position's}
  // Local form, vocabulary cut: {row_begin, row_end}; the ranks then exchange
  // three numbers per token (maximum; sum of exponentials and target logit).
  kCrossEntropy,

  // An operation of an imported program as torch.export writes it, functional
  // and named by Node::aten ("aten.mul.Tensor"). Inputs are the schema's tensor
  // arguments in its order, lists flattened, absent ones -1. {tensors: how many
  // inputs each of them took; every other argument that is not at its default
  // under its name in the schema, dtypes as "float32", "int64" or "bool"} A
  // list of results is flattened too. Computed in fp32 and rounded to what the
  // outputs' kinds say.
  kAten,

  // Collectives over the tensor-parallel group; only in local programs.
  // x -> x; backward sums the gradient over the ranks.
  kCopy,
  // x -> the sum over the ranks; backward is the identity.
  kAllReduce,
  // x -> the whole value on each rank; backward takes this rank's slice of the
  // gradient, if `summed` that of the gradient's sum over the ranks.
  // {dim, size, intervals: for each rank its number of intervals, then their
  // begins and ends: n0, b, e, b, e, n1, b, e, ...; summed* = false}
  kAllGather,
  // x -> this rank's intervals of dimension `dim` of the sum over the ranks;
  // backward gathers the gradient. {dim, size, intervals: as kAllGather's,
  // rank: this one's}
  kReduceScatter,
  // x (whole) -> this rank's intervals of dimension `dim`; backward puts the
  // gradient back among zeros. {dim, size, intervals: begins and ends of this
  // rank's}
  kTake,
};

// "rms_norm" and the like: the name in proto/autotp/v1/program.proto.
absl::string_view OperationName(Operation operation);
std::optional<Operation> OperationByName(absl::string_view name);

}  // namespace autotp::program

#endif  // AUTOTP_COORDINATOR_PROGRAM_OPERATION_H_
