// Gloo in a process that has LibTorch, which carries another Gloo.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/support/status_macros.h"
#include "tests/unit/worker/collective/world.h"

namespace autotp::collective {
namespace {

TEST(GlooTest, StaysApartFromLibTorch) {
  // As if linked: its symbols come before those of later libraries.
  void* torch = dlopen(AUTOTP_TEST_LIBTORCH, RTLD_NOW | RTLD_GLOBAL);
  ASSERT_NE(torch, nullptr) << dlerror();
  const World world{v1::ProcessGroup::BACKEND_GLOO, RanksAre::kThreads, 2};
  const auto statuses = RunRanks(
      world,
      [](Communicator& c) -> absl::Status {
        float x = c.rank() + 1.0f;
        AUTOTP_RETURN_IF_ERROR(
            c.AllReduce({&x, 1, ElementType::kFloat32}, Reduction::kSum)
                ->Wait());
        return Expect(x == 3.0f, "a wrong sum");
      },
      OptionsFor(world));
  EXPECT_TRUE(statuses[0].ok()) << statuses[0];
  EXPECT_TRUE(statuses[1].ok()) << statuses[1];
}

}  // namespace
}  // namespace autotp::collective
