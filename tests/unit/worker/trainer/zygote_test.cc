// Goal: a zygote forks trainers that get their task, their descriptors and
// their log, tells how each ended, and takes them along when it ends.
// Method: a real zygote (fake_trainer.cc) over its control socket; the test
// plays the agent. Every wait has a deadline.
#include "worker/trainer/zygote.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "autotp/v1/trainer.pb.h"
#include "proto/support/socket_channel.h"
#include "tests/support/temp_dir.h"

namespace autotp::trainer {
namespace {

using ::testing::HasSubstr;

absl::Time Soon() { return absl::Now() + absl::Seconds(20); }

std::string ReadAll(int descriptor) {
  std::array<char, 4096> bytes;
  const ssize_t got = pread(descriptor, bytes.data(), bytes.size(), 0);
  return std::string(bytes.data(),
                     static_cast<size_t>(std::max<ssize_t>(got, 0)));
}

// What the test keeps of a trainer that it had forked.
struct Forked {
  UniqueFd socket;
  FrameDecoder decoder;
  UniqueFd log;
  int pid = 0;

  v1::FromTrainer Receive() {
    v1::FromTrainer message;
    const absl::Status read =
        ReadFrame(socket.get(), decoder, &message, Soon());
    EXPECT_TRUE(read.ok()) << read << "\nlog: " << ReadAll(log.get());
    return message;
  }
};

class ZygoteTest : public ::testing::Test {
 protected:
  ZygoteTest() {
    auto ends = SocketPair(SOCK_SEQPACKET);
    EXPECT_TRUE(ends.ok()) << ends.status();
    control_ = std::move(ends->first);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends->second.get(), 3);
    std::string binary = AUTOTP_FAKE_TRAINER;
    std::string zygote = "--zygote";
    std::string flag = "--control-fd";
    std::string number = "3";
    char* arguments[] = {binary.data(), zygote.data(), flag.data(),
                         number.data(), nullptr};
    EXPECT_EQ(posix_spawn(&pid_, binary.c_str(), &actions, nullptr, arguments,
                          environ),
              0);
    posix_spawn_file_actions_destroy(&actions);
    ends->second.reset();
    EXPECT_TRUE(Event().has_ready());
  }

  ~ZygoteTest() override { End(SIGKILL); }

  void End(int signal) {
    if (pid_ == 0) return;
    kill(pid_, signal);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  v1::ZygoteEvent Event() {
    v1::ZygoteEvent event;
    const auto received = ReceivePacket(control_.get(), &event, Soon());
    EXPECT_TRUE(received.ok()) << received.status();
    return event;
  }

  // Forks a trainer and sends it a task, with `memory` under "tp/0".
  Forked Fork(const std::string& job, int rank, int world_size,
              int memory = -1) {
    Forked forked;
    auto ends = SocketPair(SOCK_STREAM);
    forked.socket = std::move(ends->first);
    forked.log = UniqueFd(open((folder_ / absl::StrCat(rank, ".log")).c_str(),
                               O_RDWR | O_CREAT | O_APPEND, 0600));
    v1::ForkRequest request;
    request.set_id(rank + 1);
    request.set_slot(rank);
    request.set_threads(1);
    std::vector<int> descriptors = {ends->second.get(), forked.log.get()};
    if (memory >= 0) {
      request.add_memory_keys("tp/0");
      descriptors.push_back(memory);
    }
    EXPECT_TRUE(SendPacket(control_.get(), request, descriptors, Soon()).ok());
    ends->second.reset();
    const v1::ZygoteEvent event = Event();
    EXPECT_EQ(event.forked().id(), rank + 1);
    EXPECT_EQ(event.forked().error(), "");
    forked.pid = event.forked().pid();

    v1::ToTrainer start;
    v1::TrainerTask& task = *start.mutable_start();
    task.set_job("jobs/" + job);
    task.set_attempt(1);
    task.set_rank(rank);
    task.set_world_size(world_size);
    task.set_max_steps(3);
    task.add_groups()->set_key("tp/0");
    EXPECT_TRUE(WriteFrame(forked.socket.get(), start, Soon()).ok());
    return forked;
  }

  testing::TempDir folder_;
  UniqueFd control_;
  pid_t pid_ = 0;
};

TEST_F(ZygoteTest, TrainerReportsInOrderAndExits) {
  Forked trainer = Fork("finish", 0, 1);
  EXPECT_EQ(trainer.Receive().state().state(),
            v1::ReportTrainerRequest::STATE_READY);
  for (int step = 1; step <= 3; ++step) {
    EXPECT_EQ(trainer.Receive().step().step(), step);
  }
  const v1::FromTrainer last = trainer.Receive();
  EXPECT_EQ(last.state().state(), v1::ReportTrainerRequest::STATE_FINISHED);
  EXPECT_EQ(last.state().step(), 3);
  EXPECT_EQ(last.state().model_path(), "/model");
  const v1::ZygoteEvent event = Event();
  EXPECT_EQ(event.exited().pid(), trainer.pid);
  EXPECT_EQ(event.exited().exit_code(), 0);
  EXPECT_EQ(event.exited().signal(), 0);
  EXPECT_THAT(ReadAll(trainer.log.get()), HasSubstr("this is rank 0"));
}

TEST_F(ZygoteTest, KilledTrainerIsReportedWithItsSignal) {
  Forked trainer = Fork("stop", 0, 1);
  trainer.Receive();  // it runs
  kill(trainer.pid, SIGKILL);
  const v1::ZygoteEvent event = Event();
  EXPECT_EQ(event.exited().pid(), trainer.pid);
  EXPECT_EQ(event.exited().signal(), SIGKILL);
}

TEST_F(ZygoteTest, OrderReachesTheLoop) {
  Forked trainer = Fork("stop", 0, 1);
  v1::ToTrainer other;
  other.mutable_order()->set_job("jobs/stop");
  other.mutable_order()->set_attempt(7);  // not this trainer's attempt
  other.mutable_order()->set_stop_after_step(true);
  ASSERT_TRUE(WriteFrame(trainer.socket.get(), other, Soon()).ok());
  v1::ToTrainer order = other;
  order.mutable_order()->set_attempt(1);
  ASSERT_TRUE(WriteFrame(trainer.socket.get(), order, Soon()).ok());
  for (int i = 0; i < 4; ++i) trainer.Receive();  // ready, three steps
  EXPECT_EQ(trainer.Receive().state().state(),
            v1::ReportTrainerRequest::STATE_STOPPED);
  EXPECT_EQ(Event().exited().exit_code(), 0);
}

TEST_F(ZygoteTest, TrainersShareThePassedMemory) {
  const UniqueFd memory(memfd_create("test", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(memory.get(), sizeof(std::atomic<int>)), 0);
  Forked first = Fork("count", 0, 2, memory.get());
  Forked second = Fork("count", 1, 2, memory.get());
  EXPECT_EQ(Event().exited().exit_code(), 0);
  EXPECT_EQ(Event().exited().exit_code(), 0);
}

TEST_F(ZygoteTest, ThrownErrorIsAFailureWithItsMessage) {
  Forked trainer = Fork("throw", 0, 1);
  for (int i = 0; i < 4; ++i) trainer.Receive();
  const v1::FromTrainer last = trainer.Receive();
  EXPECT_EQ(last.state().state(), v1::ReportTrainerRequest::STATE_FAILED);
  EXPECT_THAT(last.state().failure().message(), HasSubstr("a thrown error"));
  EXPECT_EQ(Event().exited().exit_code(), 1);
}

TEST_F(ZygoteTest, TrainerEndsWhenItsAgentGoesAway) {
  Forked trainer = Fork("stop", 0, 1);
  trainer.Receive();
  trainer.socket.reset();
  EXPECT_EQ(Event().exited().exit_code(), 3);
}

TEST_F(ZygoteTest, TrainersDieWithTheZygote) {
  Forked trainer = Fork("stop", 0, 1);
  for (int i = 0; i < 4; ++i) trainer.Receive();
  End(SIGKILL);
  v1::FromTrainer message;
  EXPECT_TRUE(absl::IsUnavailable(
      ReadFrame(trainer.socket.get(), trainer.decoder, &message, Soon())));
}

TEST_F(ZygoteTest, ZygoteEndsWhenTheControlSocketCloses) {
  control_.reset();
  int status = -1;
  ASSERT_EQ(waitpid(pid_, &status, 0), pid_);
  pid_ = 0;
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(ZygoteTest, RequestWithoutDescriptorsIsRefused) {
  v1::ForkRequest request;
  request.set_id(5);
  ASSERT_TRUE(SendPacket(control_.get(), request, {}, Soon()).ok());
  const v1::ZygoteEvent event = Event();
  EXPECT_EQ(event.forked().id(), 5);
  EXPECT_EQ(event.forked().pid(), 0);
  EXPECT_THAT(event.forked().error(), HasSubstr("0 descriptors"));
}

}  // namespace
}  // namespace autotp::trainer
