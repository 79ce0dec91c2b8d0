// Goal: batches come in the sampler's order, whatever the thread does, and an
// error comes where it belongs.
// Method: a data set that counts what is read.
#include "worker/data/feed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

namespace autotp::data {
namespace {

class CountingDataset final : public Dataset {
 public:
  int64_t sequence_count() const override { return 10; }
  int64_t sequence_length() const override { return 1; }
  const std::string& path() const override { return path_; }
  absl::Status Read(int64_t index, const SequenceSpans& out) const override {
    ++reads;
    if (index == bad) return absl::DataLossError("torn");
    out.input_ids[0] = out.labels[0] = index;
    return absl::OkStatus();
  }

  mutable std::atomic<int> reads{0};
  int64_t bad = -1;

 private:
  const std::string path_ = "counted";
};

FeedOptions TwoRanks(const Dataset& dataset) {
  FeedOptions options;
  options.sampler = SamplerOf(dataset, /*shuffle=*/false, /*seed=*/0);
  options.sampler.train_batch_size = 4;
  options.sampler.micro_batch_size = 1;
  options.sampler.data_parallel_size = 2;
  options.accumulation_steps = 2;
  options.sequences_consumed = 4;
  options.data_parallel_rank = 1;
  options.steps = 3;
  return options;
}

TEST(BatchFeedTest, GivesTheSamplersOrder) {
  const CountingDataset dataset;
  BatchFeed feed(dataset, TwoRanks(dataset));
  for (const int64_t sequence : {5, 7, 9, 1, 3, 5}) {
    const auto batch = feed.Next();
    ASSERT_TRUE(batch.ok()) << batch.status();
    EXPECT_THAT(batch->input_ids, ::testing::ElementsAre(sequence));
  }
  EXPECT_EQ(dataset.reads, 6) << "no more than the steps need";
}

TEST(BatchFeedTest, ReadsNoFurtherThanItsBoundAndEndsAtOnce) {
  const CountingDataset dataset;
  {
    FeedOptions options = TwoRanks(dataset);
    options.steps = 1'000'000;
    BatchFeed feed(dataset, options);
    ASSERT_TRUE(feed.Next().ok());
  }
  // One taken, two that wait, one in the thread's hand.
  EXPECT_LE(dataset.reads, 1 + static_cast<int>(kBatchesAhead) + 1);
}

TEST(BatchFeedTest, AnErrorComesAtItsMicroStep) {
  CountingDataset dataset;
  dataset.bad = 9;
  BatchFeed feed(dataset, TwoRanks(dataset));
  EXPECT_TRUE(feed.Next().ok());
  EXPECT_TRUE(feed.Next().ok());
  EXPECT_EQ(feed.Next().status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace autotp::data
