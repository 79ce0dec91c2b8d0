// Goal: operations that exchange between ranks compute what one rank with the
// whole tensors computes, forward and backward.
// Method: ranks are threads over real shared memory.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "tests/support/shared_group.h"
#include "tests/unit/worker/runtime/operation_harness.h"
#include "worker/collective/factory.h"
#include "worker/runtime/parallel.h"

namespace autotp::testing {
namespace {

void OnRanks(int size,
             const std::function<void(int, collective::Communicator*)>& body) {
  const absl::StatusOr<int> memory = collective::CreateSharedMemory(size);
  ASSERT_TRUE(memory.ok()) << memory.status();
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      runtime::SetThreads(1);
      auto made = JoinSharedGroup("tp/0", size, rank, *memory);
      ASSERT_TRUE(made.ok()) << made.status();
      body(rank, made->get());
    });
  }
  for (std::thread& thread : threads) thread.join();
  close(*memory);
}

void ExpectNear(const at::Tensor& got, const at::Tensor& want) {
  ASSERT_EQ(got.sizes().vec(), want.sizes().vec());
  if (want.numel() == 0) return;
  EXPECT_LE(got.sub(want).abs().max().item<double>(), 1e-5) << "seed " << kSeed;
}

TEST(CollectiveOperations, CopyAndAllReduceAreEachOthersGradients) {
  at::manual_seed(kSeed);
  const at::Tensor x = at::randn({3, 2, 4});  // [rank]
  const at::Tensor g = at::randn({3, 2, 4});
  OnRanks(3, [&](int rank, collective::Communicator* group) {
    const Outcome copy =
        RunOperation(OneNode("copy"), {x[rank]}, g[rank], {2, 4}, group);
    ASSERT_TRUE(copy.status.ok()) << copy.status;
    ExpectNear(copy.output, x[rank]);
    ExpectNear(copy.gradients[0], g.sum(0));
    const Outcome sum =
        RunOperation(OneNode("all_reduce"), {x[rank]}, g[rank], {2, 4}, group);
    ASSERT_TRUE(sum.status.ok()) << sum.status;
    ExpectNear(sum.output, x.sum(0));
    ExpectNear(sum.gradients[0], g[rank]);
  });
}

// Rank 0 owns columns 0-1 and 5, rank 1 nothing, rank 2 columns 2-4.
TEST(CollectiveOperations, AllGatherPutsUnevenPiecesInTheirPlaces) {
  at::manual_seed(kSeed);
  const at::Tensor whole = at::randn({2, 6, 3});
  const at::Tensor g = at::randn({2, 6, 3});
  const std::vector<std::vector<int64_t>> columns = {{0, 1, 5}, {}, {2, 3, 4}};
  const auto part = [&](const at::Tensor& from, int rank) {
    return from.index_select(1, at::tensor(columns[rank], at::kLong));
  };
  OneNode node("all_gather");
  node.Set("dim", int64_t{1}).Set("size", int64_t{6});
  node.Set("intervals", std::vector<int64_t>{2, 0, 2, 5, 6, 0, 1, 2, 5});
  OnRanks(3, [&](int rank, collective::Communicator* group) {
    const Outcome got =
        RunOperation(node, {part(whole, rank)}, g, {2, 6, 3}, group);
    ASSERT_TRUE(got.status.ok()) << got.status;
    ExpectNear(got.output, whole);
    ExpectNear(got.gradients[0], part(g, rank));
  });
}

// Intervals of three ranks, as attributes and as positions.
struct Cut {
  int64_t size;
  std::vector<int64_t> intervals;
  std::vector<std::vector<int64_t>> positions;  // [rank]
};

// Equal parts in order, which travel as they lie where nothing is around them,
// and uneven ones, of which the second is empty.
const Cut kCuts[] = {{6, {1, 0, 2, 1, 2, 4, 1, 4, 6}, {{0, 1}, {2, 3}, {4, 5}}},
                     {5, {1, 0, 3, 0, 1, 3, 5}, {{0, 1, 2}, {}, {3, 4}}}};

TEST(CollectiveOperations, ReduceScatterAndASummedGatherMirrorEachOther) {
  at::manual_seed(kSeed);
  for (const Cut& cut : kCuts) {
    for (const int64_t around : {1, 2}) {
      const std::vector<int64_t> shape = {around, cut.size, 3};
      const at::Tensor wholes = at::randn({3, around, cut.size, 3});
      const at::Tensor other = at::randn({around, cut.size, 3});
      const auto part = [&](const at::Tensor& from, int rank) {
        return from.index_select(1, at::tensor(cut.positions[rank], at::kLong));
      };
      OnRanks(3, [&](int rank, collective::Communicator* group) {
        OneNode scatter("reduce_scatter");
        scatter.Set("dim", int64_t{1}).Set("size", cut.size);
        scatter.Set("intervals", cut.intervals).Set("rank", int64_t{rank});
        const at::Tensor own = part(other, rank);
        const Outcome scattered = RunOperation(scatter, {wholes[rank]}, own,
                                               own.sizes().vec(), group);
        ASSERT_TRUE(scattered.status.ok()) << scattered.status;
        ExpectNear(scattered.output, part(wholes.sum(0), rank));
        ExpectNear(scattered.gradients[0], other);
        OneNode gather("all_gather");
        gather.Set("dim", int64_t{1}).Set("size", cut.size);
        gather.Set("intervals", cut.intervals).Set("summed", true);
        const Outcome gathered =
            RunOperation(gather, {own}, wholes[rank], shape, group);
        ASSERT_TRUE(gathered.status.ok()) << gathered.status;
        ExpectNear(gathered.output, other);
        ExpectNear(gathered.gradients[0], part(wholes.sum(0), rank));
      });
    }
  }
}

TEST(CollectiveOperations, AnotherRanksReduceScatterIsRefused) {
  OnRanks(2, [&](int rank, collective::Communicator* group) {
    OneNode scatter("reduce_scatter");
    scatter.Set("dim", int64_t{0}).Set("size", int64_t{2});
    scatter.Set("intervals", std::vector<int64_t>{1, 0, 1, 1, 1, 2});
    scatter.Set("rank", int64_t{1 - rank});
    const Outcome got =
        RunOperation(scatter, {at::ones({2})}, at::ones({1}), {1}, group);
    EXPECT_EQ(got.status.code(), absl::StatusCode::kInvalidArgument);
  });
}

TEST(CollectiveOperations, CrossEntropyOverACutVocabularyIsTheWholeOne) {
  at::manual_seed(kSeed);
  const int64_t V = 13;
  const at::Tensor logits = at::randn({2, 5, V}) * 30;
  const at::Tensor labels = at::randint(0, V, {2, 5}, at::kLong);
  labels[0][3].fill_(-100);
  const Outcome want = RunOperation(OneNode("cross_entropy"), {logits, labels},
                                    at::ones({}), {});
  ASSERT_TRUE(want.status.ok()) << want.status;
  const std::vector<int64_t> cuts = {0, 4, 4, V};  // the second has no rows
  OnRanks(3, [&](int rank, collective::Communicator* group) {
    const int64_t begin = cuts[rank];
    const int64_t length = cuts[rank + 1] - begin;
    OneNode node("cross_entropy");
    node.Set("row_begin", begin).Set("row_end", begin + length);
    const Outcome got =
        RunOperation(node, {logits.narrow(2, begin, length), labels},
                     at::ones({}), {}, group);
    ASSERT_TRUE(got.status.ok()) << got.status;
    ExpectNear(got.output, want.output);
    ExpectNear(got.gradients[0], want.gradients[0].narrow(2, begin, length));
  });
}

// The second rank owns no column at all.
TEST(CollectiveOperations, RmsNormOverCutColumnsIsTheWholeOne) {
  at::manual_seed(kSeed);
  const int64_t C = 13;
  const at::Tensor x = at::randn({2, 5, C});
  const at::Tensor weight = at::randn({C});
  const at::Tensor g = at::randn({2, 5, C});
  OneNode node("rms_norm");
  node.Set("eps", 1e-2).Set("offset", 1.0);
  const Outcome want = RunOperation(node, {x, weight}, g, {2, 5, C});
  ASSERT_TRUE(want.status.ok()) << want.status;
  node.Set("size", C);
  const std::vector<int64_t> cuts = {0, 4, 4, C};
  OnRanks(3, [&](int rank, collective::Communicator* group) {
    const int64_t begin = cuts[rank];
    const int64_t length = cuts[rank + 1] - begin;
    const auto part = [&](const at::Tensor& whole) {
      return whole.narrow(-1, begin, length);
    };
    const Outcome got = RunOperation(node, {part(x), part(weight)}, part(g),
                                     {2, 5, length}, group);
    ASSERT_TRUE(got.status.ok()) << got.status;
    ExpectNear(got.output, part(want.output));
    ExpectNear(got.gradients[0], part(want.gradients[0]));
    ExpectNear(got.gradients[1], part(want.gradients[1]));
  });
}

}  // namespace
}  // namespace autotp::testing
