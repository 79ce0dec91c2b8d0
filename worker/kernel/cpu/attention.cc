#include "worker/kernel/cpu/attention.h"

#include <algorithm>
#include <vector>

#include "worker/kernel/cpu/scores.h"
#include "worker/kernel/cpu/softmax.h"

namespace autotp::kernel {
namespace {

constexpr int64_t kBlock = 64;  // queries

// Queries [begin, end) and the keys that some of them see, [first, last).
struct Block {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t first = 0;
  int64_t last = 0;
  int64_t queries() const { return end - begin; }
  int64_t keys() const { return last - first; }
};

int64_t FirstKey(const AttentionShape& shape, int64_t query) {
  const int64_t first = shape.first != nullptr ? shape.first[query] : 0;
  return shape.window > 0 ? std::max(first, query - shape.window + 1) : first;
}

int64_t EndKey(const AttentionShape& shape, int64_t query) {
  if (shape.causal) return query + 1;
  return shape.window > 0 ? std::min(shape.keys, query + shape.window)
                          : shape.keys;
}

Block BlockAt(const AttentionShape& shape, int64_t begin) {
  const int64_t end = std::min(begin + kBlock, shape.tokens);
  return {begin, end, FirstKey(shape, begin), EndKey(shape, end - 1)};
}

// The block of each head, one after the other: [R * queries, width], dense.
void Pack(const AttentionShape& shape, const Block& block,
          const ConstHeadRows& from, int64_t width, float* to) {
  for (int64_t head = 0; head < shape.heads; ++head) {
    for (int64_t t = block.begin; t < block.end; ++t) {
      std::copy_n(from.data + head * from.head + t * from.token, width, to);
      to += width;
    }
  }
}

void Unpack(const AttentionShape& shape, const Block& block, const float* from,
            int64_t width, const MutableHeadRows& to) {
  for (int64_t head = 0; head < shape.heads; ++head) {
    for (int64_t t = block.begin; t < block.end; ++t) {
      std::copy_n(from, width, to.data + head * to.head + t * to.token);
      from += width;
    }
  }
}

void Clear(const AttentionShape& shape, int64_t width,
           const MutableHeadRows& rows) {
  for (int64_t s = 0; s < shape.keys; ++s)
    std::fill_n(rows.data + s * rows.token, width, 0.0f);
}

// Calls body(row, from, count) for every row of a block's scores: it sees the
// block's keys [from, from + count).
template <typename Body>
void ForEachRow(const AttentionShape& shape, const Block& block,
                const Body& body) {
  int64_t row = 0;
  for (int64_t head = 0; head < shape.heads; ++head) {
    for (int64_t query = block.begin; query < block.end; ++query, ++row) {
      const int64_t first = FirstKey(shape, query);
      body(row, first - block.first, EndKey(shape, query) - first);
    }
  }
}

// Dropout's factors for a row of the softmax.
void DrawRow(const AttentionShape& shape, const Block& block, int64_t row,
             int64_t from, int64_t count, float* factors) {
  const int64_t head = row / block.queries();
  const int64_t query = block.begin + row % block.queries();
  DropoutFactors(*shape.dropout, shape.sequence,
                 shape.head_places[head] * shape.tokens + query,
                 block.first + from, count, factors);
}

float Dot(const float* a, const float* b, int64_t count) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

// What lies between the scaled products and the softmax. `slope`, if there is
// one, becomes the soft cap's derivative.
void BendScores(const AttentionShape& shape, const Block& block, int64_t row,
                int64_t from, int64_t count, float* scores, float* slope) {
  if (shape.soft_cap > 0) SoftCapRow(scores, count, shape.soft_cap, slope);
  const int64_t key = block.first + from;
  if (shape.bias != nullptr) {
    const int64_t head = row / block.queries();
    AddRow(shape.bias + head * shape.keys + key, count, scores);
  }
  if (shape.seen != nullptr) HideRow(shape.seen + key, count, scores);
}

// Room for one block.
struct Scratch {
  explicit Scratch(const AttentionShape& shape)
      : rows(shape.heads * std::min(kBlock, shape.tokens)),
        scores(rows * shape.keys),
        q(rows * shape.width) {}
  const int64_t rows;
  std::vector<float> scores;
  std::vector<float> q;
};

}  // namespace

void AttentionForward(const AttentionShape& shape, MatrixProduct product,
                      ConstHeadRows q, ConstHeadRows k, ConstHeadRows v,
                      MutableHeadRows y, float* log_sums) {
  const int64_t D = shape.width;
  const int64_t W = shape.value_width;
  Scratch scratch(shape);
  std::vector<float> out(scratch.rows * W);
  std::vector<float> factors(shape.dropout != nullptr ? shape.keys : 0);
  float* scores = scratch.scores.data();
  for (int64_t begin = 0; begin < shape.tokens; begin += kBlock) {
    const Block block = BlockAt(shape, begin);
    const int64_t rows = shape.heads * block.queries();
    const int64_t keys = block.keys();
    Pack(shape, block, q, D, scratch.q.data());
    product(false, true, rows, keys, D, shape.scale, scratch.q.data(), D,
            k.data + block.first * k.token, k.token, 0.0f, scores, keys);
    float* sums = log_sums + begin * shape.heads;
    ForEachRow(shape, block, [&](int64_t row, int64_t from, int64_t count) {
      BendScores(shape, block, row, from, count, scores + row * keys + from,
                 nullptr);
      sums[row] = SoftmaxRow(scores + row * keys, from, count, keys);
      if (shape.dropout == nullptr) return;
      DrawRow(shape, block, row, from, count, factors.data());
      MultiplyRow(factors.data(), count, scores + row * keys + from);
    });
    product(false, false, rows, W, keys, 1.0f, scores, keys,
            v.data + block.first * v.token, v.token, 0.0f, out.data(), W);
    Unpack(shape, block, out.data(), W, y);
  }
}

void AttentionBackward(const AttentionShape& shape, MatrixProduct product,
                       ConstHeadRows q, ConstHeadRows k, ConstHeadRows v,
                       ConstHeadRows y, const float* log_sums, ConstHeadRows dy,
                       MutableHeadRows dq, MutableHeadRows dk,
                       MutableHeadRows dv) {
  const int64_t D = shape.width;
  const int64_t W = shape.value_width;
  Scratch scratch(shape);
  std::vector<float> gradients(scratch.scores.size());
  std::vector<float> outer(scratch.rows * W);
  std::vector<float> out(scratch.rows * std::max(D, W));
  std::vector<float> slopes(shape.soft_cap > 0 ? shape.keys : 0);
  std::vector<float> factors(shape.dropout != nullptr ? shape.keys : 0);
  float* p = scratch.scores.data();
  float* ds = gradients.data();
  Clear(shape, D, dk);
  Clear(shape, W, dv);
  for (int64_t begin = 0; begin < shape.tokens; begin += kBlock) {
    const Block block = BlockAt(shape, begin);
    const int64_t rows = shape.heads * block.queries();
    const int64_t keys = block.keys();
    const float* key = k.data + block.first * k.token;
    const float* value = v.data + block.first * v.token;
    Pack(shape, block, q, D, scratch.q.data());
    Pack(shape, block, dy, W, outer.data());
    Pack(shape, block, y, W, out.data());
    product(false, true, rows, keys, D, shape.scale, scratch.q.data(), D, key,
            k.token, 0.0f, p, keys);
    product(false, true, rows, keys, W, 1.0f, outer.data(), W, value, v.token,
            0.0f, ds, keys);
    const float* sums = log_sums + begin * shape.heads;
    ForEachRow(shape, block, [&](int64_t row, int64_t from, int64_t count) {
      BendScores(shape, block, row, from, count, p + row * keys + from,
                 slopes.data());
      // What is dropped has no gradient; the sum of probability times gradient
      // is the same before dropout and behind it.
      if (shape.dropout != nullptr) {
        DrawRow(shape, block, row, from, count, factors.data());
        MultiplyRow(factors.data(), count, ds + row * keys + from);
      }
      SoftmaxRowBackward(
          p + row * keys, ds + row * keys, from, count, keys, sums[row],
          Dot(outer.data() + row * W, out.data() + row * W, W), shape.scale);
      if (shape.soft_cap > 0)
        MultiplyRow(slopes.data(), count, ds + row * keys + from);
      if (shape.dropout != nullptr)
        MultiplyRow(factors.data(), count, p + row * keys + from);
    });
    product(true, false, keys, W, rows, 1.0f, p, keys, outer.data(), W, 1.0f,
            dv.data + block.first * dv.token, dv.token);
    product(true, false, keys, D, rows, 1.0f, ds, keys, scratch.q.data(), D,
            1.0f, dk.data + block.first * dk.token, dk.token);
    product(false, false, rows, D, keys, 1.0f, ds, keys, key, k.token, 0.0f,
            out.data(), D);
    Unpack(shape, block, out.data(), D, dq);
  }
}

}  // namespace autotp::kernel
