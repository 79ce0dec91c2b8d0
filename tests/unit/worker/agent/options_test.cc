// Goal: wrong settings are refused with the flag and what is allowed; what is
// left out is found.
#include "worker/agent/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace autotp::agent {
namespace {

using ::testing::HasSubstr;

WorkerOptions Good() {
  return {.coordinator = "unix:/tmp/none.sock",
          .trainer_binary = AUTOTP_FAKE_TRAINER};
}

TEST(OptionsTest, WhatIsLeftOutIsFound) {
  WorkerOptions options = Good();
  ASSERT_TRUE(Resolve(&options).ok());
  EXPECT_EQ(options.name, HostName());
  EXPECT_EQ(options.data_address, "127.0.0.1");
}

TEST(OptionsTest, AddressFacesTheCoordinator) {
  WorkerOptions options = Good();
  options.coordinator = "127.0.0.1:7070";
  ASSERT_TRUE(Resolve(&options).ok());
  EXPECT_EQ(options.data_address, "127.0.0.1");
}

TEST(OptionsTest, RefusalsNameTheFlag) {
  const auto refusal = [](WorkerOptions options) {
    return std::string(Resolve(&options).message());
  };
  WorkerOptions options = Good();
  options.slots = 0;
  EXPECT_THAT(refusal(options), HasSubstr("--slots: 0; must be 1 to"));
  options = Good();
  options.device = "tpu";
  EXPECT_THAT(refusal(options), HasSubstr("--device: tpu"));
  options = Good();
  options.trainer_binary = "/none/autotp-trainer";
  EXPECT_THAT(refusal(options),
              HasSubstr("/none/autotp-trainer is no program"));
  options = Good();
  options.coordinator = "";
  EXPECT_THAT(refusal(options), HasSubstr("--coordinator"));
}

TEST(OptionsTest, CoresAreSharedAmongSlots) {
  EXPECT_EQ(ThreadsPerSlot(8, 2), 4);
  EXPECT_EQ(ThreadsPerSlot(2, 4), 1);
  EXPECT_GE(UsableCores(), 1);
}

}  // namespace
}  // namespace autotp::agent
