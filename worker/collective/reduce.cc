#include "worker/collective/reduce.h"

#include <algorithm>

#include "proto/support/check.h"
#include "worker/kernel/half.h"

// The kernels are compiled twice, for any x86-64 and for AVX2, and chosen at
// run time. (target_clones would need ifuncs, which sanitizers do not survive.)

namespace autotp::collective {
namespace {

using kernel::BFloat16;
using kernel::Float16;

// How an element is stored and in what it is accumulated.
template <typename T>
struct Plain {
  using Stored = T;
  using Value = T;
  static AUTOTP_ALWAYS_INLINE T Load(T x) { return x; }
  static AUTOTP_ALWAYS_INLINE T Store(T x) { return x; }
};

struct Sum {
  template <typename V>
  static AUTOTP_ALWAYS_INLINE V Apply(V a, V b) {
    return a + b;
  }
};

struct Max {
  template <typename V>
  static AUTOTP_ALWAYS_INLINE V Apply(V a, V b) {
    return b > a || b != b ? b : a;
  }
};

template <typename Type, typename Op>
AUTOTP_ALWAYS_INLINE void ReduceAll(const void* const* inputs, int inputs_count,
                                    int64_t count, void* output) {
  using Stored = typename Type::Stored;
  using Value = typename Type::Value;
  auto* out = static_cast<Stored*>(output);
  if (inputs_count == 2) {
    const auto* a = static_cast<const Stored*>(inputs[0]);
    const auto* b = static_cast<const Stored*>(inputs[1]);
    for (int64_t i = 0; i < count; ++i) {
      out[i] = Type::Store(Op::Apply(Type::Load(a[i]), Type::Load(b[i])));
    }
    return;
  }
  constexpr int64_t kBlock = 1024;  // accumulators stay in the first cache
  Value sums[kBlock];
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t n = std::min(kBlock, count - begin);
    const auto* first = static_cast<const Stored*>(inputs[0]) + begin;
    for (int64_t i = 0; i < n; ++i) sums[i] = Type::Load(first[i]);
    for (int k = 1; k < inputs_count; ++k) {
      const auto* next = static_cast<const Stored*>(inputs[k]) + begin;
      for (int64_t i = 0; i < n; ++i) {
        sums[i] = Op::Apply(sums[i], Type::Load(next[i]));
      }
    }
    for (int64_t i = 0; i < n; ++i) out[begin + i] = Type::Store(sums[i]);
  }
}

template <typename Op>
AUTOTP_ALWAYS_INLINE void ReduceTyped(ElementType type,
                                      const void* const* inputs,
                                      int inputs_count, int64_t count,
                                      void* output) {
  switch (type) {
    case ElementType::kFloat32:
      return ReduceAll<Plain<float>, Op>(inputs, inputs_count, count, output);
    case ElementType::kBFloat16:
      return ReduceAll<BFloat16, Op>(inputs, inputs_count, count, output);
    case ElementType::kFloat16:
      return ReduceAll<Float16, Op>(inputs, inputs_count, count, output);
    case ElementType::kFloat64:
      return ReduceAll<Plain<double>, Op>(inputs, inputs_count, count, output);
    case ElementType::kInt64:
      return ReduceAll<Plain<int64_t>, Op>(inputs, inputs_count, count, output);
    case ElementType::kByte:
      break;
  }
  AUTOTP_CHECK(false, "no reduction for element type ", static_cast<int>(type));
}

AUTOTP_ALWAYS_INLINE void ReduceBody(ElementType type, Reduction op,
                                     const void* const* inputs,
                                     int inputs_count, int64_t count,
                                     void* output) {
  if (op == Reduction::kSum) {
    ReduceTyped<Sum>(type, inputs, inputs_count, count, output);
  } else {
    ReduceTyped<Max>(type, inputs, inputs_count, count, output);
  }
}

#ifdef __x86_64__
__attribute__((target("avx2"))) void ReduceAvx2(ElementType type, Reduction op,
                                                const void* const* inputs,
                                                int inputs_count, int64_t count,
                                                void* output) {
  ReduceBody(type, op, inputs, inputs_count, count, output);
}
#endif

}  // namespace

void Reduce(ElementType type, Reduction op, const void* const* inputs,
            int inputs_count, int64_t count, void* output) {
#ifdef __x86_64__
  static const bool has_avx2 = __builtin_cpu_supports("avx2");
  if (has_avx2) {
    return ReduceAvx2(type, op, inputs, inputs_count, count, output);
  }
#endif
  ReduceBody(type, op, inputs, inputs_count, count, output);
}

}  // namespace autotp::collective
