// echo_group.h -- a group whose other ranks hold what this one holds: for
// running one rank's program alone, without a peer to wait for.
#ifndef AUTOTP_TESTS_SUPPORT_ECHO_GROUP_H_
#define AUTOTP_TESTS_SUPPORT_ECHO_GROUP_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "worker/collective/communicator.h"
#include "worker/collective/inline_work.h"

namespace autotp::testing {

// Reads and writes every byte that a real one would.
class EchoGroup final : public collective::Communicator {
 public:
  EchoGroup(int rank, int size) : rank_(rank), size_(size) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string Describe() const override { return "an echo"; }

  std::unique_ptr<collective::Work> AllReduce(collective::Buffer buffer,
                                              collective::Reduction) override {
    const std::vector<std::byte> bytes = BytesOf(buffer);
    if (!bytes.empty()) std::memcpy(buffer.data, bytes.data(), bytes.size());
    return Done();
  }
  std::unique_ptr<collective::Work> ReduceScatter(
      collective::Buffer whole, collective::Buffer part,
      collective::Reduction) override {
    EXPECT_EQ(whole.count, size_ * part.count);
    const std::vector<std::byte> bytes = BytesOf(whole);
    const size_t share = bytes.size() / size_;
    if (share > 0) std::memcpy(part.data, bytes.data() + rank_ * share, share);
    return Done();
  }
  std::unique_ptr<collective::Work> AllGather(
      collective::Buffer part, collective::Buffer whole) override {
    EXPECT_EQ(whole.count, size_ * part.count);
    const std::vector<std::byte> bytes = BytesOf(part);
    for (int i = 0; i < size_ && !bytes.empty(); ++i) {
      std::memcpy(static_cast<std::byte*>(whole.data) + i * bytes.size(),
                  bytes.data(), bytes.size());
    }
    return Done();
  }
  std::unique_ptr<collective::Work> Broadcast(collective::Buffer buffer,
                                              int) override {
    return AllReduce(buffer, collective::Reduction::kSum);
  }
  absl::Status Barrier() override { return absl::OkStatus(); }
  void Abort(const std::string&) override {}

 private:
  static std::vector<std::byte> BytesOf(const collective::Buffer& buffer) {
    const auto* first = static_cast<const std::byte*>(buffer.data);
    return {first, first + buffer.count * collective::SizeOf(buffer.type)};
  }
  static std::unique_ptr<collective::Work> Done() {
    return collective::Done(absl::OkStatus());
  }

  const int rank_;
  const int size_;
};

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_SUPPORT_ECHO_GROUP_H_
