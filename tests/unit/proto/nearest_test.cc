#include "proto/support/nearest.h"

#include <gtest/gtest.h>

namespace autotp {
namespace {

TEST(NearestTest, FindsWhatWasMeant) {
  const std::vector<absl::string_view> names = {"gradient_clipping", "stage",
                                                "bf16", "fp16"};
  EXPECT_EQ(Nearest("gradient_cliping", names), "gradient_clipping");
  EXPECT_EQ(Nearest("Gradient_Clipping", names), "gradient_clipping");
  EXPECT_EQ(Nearest("stag", names), "stage");
  EXPECT_EQ(Nearest("bf61", names), "bf16");
  // Of two that are as near, the first.
  EXPECT_EQ(Nearest("p16", names), "fp16");
  EXPECT_EQ(Nearest("16", names), "bf16");
}

TEST(NearestTest, NothingIsNearEnough) {
  EXPECT_EQ(Nearest("optimizer", {"stage", "bf16"}), "");
  EXPECT_EQ(Nearest("abc", {}), "");
  EXPECT_EQ(Nearest(std::string(100000, 'x'), {"stage"}), "");
}

}  // namespace
}  // namespace autotp
