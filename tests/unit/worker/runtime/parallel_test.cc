// Goal: a loop that fails on one thread fails as a whole, with what was thrown,
// and not the process.
#include "worker/runtime/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <new>
#include <stdexcept>

namespace autotp::runtime {
namespace {

TEST(Parallel, WhatABodyThrowsIsThrownBehindTheLoop) {
  SetThreads(3);
  std::atomic<int64_t> done = 0;
  EXPECT_THROW(ParallelFor(30, 1,
                           [&](int64_t begin, int64_t end) {
                             if (begin == 0) throw std::bad_alloc();
                             done += end - begin;
                           }),
               std::bad_alloc);
  EXPECT_EQ(done, 20);
  done = 0;
  EXPECT_THROW(ParallelTasks(30,
                             [&](int64_t task) {
                               if (task == 7) throw std::runtime_error("seven");
                               ++done;
                             }),
               std::runtime_error);
  EXPECT_EQ(done, 29);
  SetThreads(1);
  EXPECT_THROW(ParallelTasks(2, [](int64_t) { throw std::bad_alloc(); }),
               std::bad_alloc);
}

}  // namespace
}  // namespace autotp::runtime
