// Goal: messages and descriptors arrive whole over local sockets, however the
// bytes are split, and what is too large or not ours is refused.
#include "proto/support/socket_channel.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "autotp/v1/trainer.pb.h"

namespace autotp {
namespace {

absl::Time Soon() { return absl::Now() + absl::Seconds(20); }

v1::KeyRequest Message(int64_t id, size_t bytes = 10) {
  v1::KeyRequest message;
  message.set_id(id);
  message.set_value(std::string(bytes, 'x'));
  return message;
}

TEST(FrameDecoderTest, AnySplitGivesTheSameFrames) {
  std::string bytes;
  for (int id = 1; id <= 3; ++id) {
    ASSERT_TRUE(AppendFrame(Message(id, static_cast<size_t>(id)), &bytes).ok());
  }
  for (size_t chunk = 1; chunk <= bytes.size(); ++chunk) {
    SCOPED_TRACE(::testing::Message() << "chunks of " << chunk << " bytes");
    FrameDecoder decoder;
    int64_t last_id = 0;
    for (size_t at = 0; at < bytes.size(); at += chunk) {
      decoder.Append(absl::string_view(bytes).substr(at, chunk));
      while (true) {
        const auto frame = decoder.Next();
        ASSERT_TRUE(frame.ok()) << frame.status();
        if (!frame->has_value()) break;
        v1::KeyRequest message;
        ASSERT_TRUE(message.ParseFromArray((*frame)->data(),
                                           static_cast<int>((*frame)->size())));
        EXPECT_EQ(message.id(), ++last_id);
      }
    }
    EXPECT_EQ(last_id, 3);
  }
}

TEST(FrameDecoderTest, EmptyMessageIsAFrame) {
  std::string bytes;
  ASSERT_TRUE(AppendFrame(v1::KeyRequest(), &bytes).ok());
  FrameDecoder decoder;
  decoder.Append(bytes);
  const auto frame = decoder.Next();
  ASSERT_TRUE(frame.ok() && frame->has_value());
  EXPECT_TRUE((*frame)->empty());
}

TEST(FrameDecoderTest, OversizeIsRefusedBeforeItsBytesCome) {
  FrameDecoder decoder(/*frame_bytes_max=*/100);
  decoder.Append(std::string("\x65\0\0\0", 4));  // 101
  EXPECT_TRUE(absl::IsInvalidArgument(decoder.Next().status()));
  std::string bytes;
  EXPECT_TRUE(
      absl::IsInvalidArgument(AppendFrame(Message(1, 200), &bytes, 100)));
  EXPECT_TRUE(bytes.empty());
}

TEST(SocketChannelTest, LargeFramesPassASmallSocketBuffer) {
  auto ends = SocketPair(SOCK_STREAM);
  ASSERT_TRUE(ends.ok());
  const v1::KeyRequest sent = Message(7, size_t{3} << 20);
  absl::Status written;
  std::thread writer(
      [&] { written = WriteFrame(ends->first.get(), sent, Soon()); });
  FrameDecoder decoder;
  v1::KeyRequest got;
  const absl::Status read =
      ReadFrame(ends->second.get(), decoder, &got, Soon());
  writer.join();
  ASSERT_TRUE(written.ok()) << written;
  ASSERT_TRUE(read.ok()) << read;
  EXPECT_EQ(got.value(), sent.value());
}

TEST(SocketChannelTest, DeadlinesAndEndsAreErrors) {
  auto ends = SocketPair(SOCK_STREAM);
  ASSERT_TRUE(ends.ok());
  FrameDecoder decoder;
  v1::KeyRequest got;
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      ReadFrame(ends->second.get(), decoder, &got, absl::Now())));
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      WriteFrame(ends->first.get(), Message(1, size_t{3} << 20), absl::Now())));
  ends->first.reset();
  FrameDecoder rest;
  EXPECT_TRUE(
      absl::IsUnavailable(ReadFrame(ends->second.get(), rest, &got, Soon())));
  EXPECT_TRUE(
      absl::IsUnavailable(WriteFrame(ends->second.get(), Message(1), Soon())));
}

TEST(SocketChannelTest, BytesThatDoNotParseAreRefused) {
  auto ends = SocketPair(SOCK_STREAM);
  ASSERT_TRUE(ends.ok());
  const std::string bytes("\x02\0\0\0\xff\xff", 6);
  ASSERT_EQ(send(ends->first.get(), bytes.data(), bytes.size(), 0), 6);
  FrameDecoder decoder;
  v1::KeyRequest got;
  EXPECT_TRUE(absl::IsInvalidArgument(
      ReadFrame(ends->second.get(), decoder, &got, Soon())));
}

TEST(SocketChannelTest, DescriptorsComeAlong) {
  auto ends = SocketPair(SOCK_SEQPACKET);
  ASSERT_TRUE(ends.ok());
  int pipe_ends[2];
  ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
  UniqueFd reader(pipe_ends[0]);
  UniqueFd writer(pipe_ends[1]);
  ASSERT_TRUE(SendPacket(ends->first.get(), Message(3),
                         {writer.get(), reader.get()}, Soon())
                  .ok());
  writer.reset();
  v1::KeyRequest got;
  const auto descriptors = ReceivePacket(ends->second.get(), &got, Soon());
  ASSERT_TRUE(descriptors.ok()) << descriptors.status();
  EXPECT_EQ(got.id(), 3);
  ASSERT_EQ(descriptors->size(), 2u);
  ASSERT_EQ(write((*descriptors)[0].get(), "hi", 2), 2);
  char text[2];
  EXPECT_EQ(read(reader.get(), text, 2), 2);
  EXPECT_NE(fcntl((*descriptors)[0].get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(SocketChannelTest, PacketsAreBounded) {
  auto ends = SocketPair(SOCK_SEQPACKET);
  ASSERT_TRUE(ends.ok());
  EXPECT_TRUE(absl::IsInvalidArgument(
      SendPacket(ends->first.get(), Message(1, kPacketBytesMax), {}, Soon())));
  const std::vector<int> many(kPacketDescriptorsMax + 1, 0);
  EXPECT_TRUE(absl::IsInvalidArgument(
      SendPacket(ends->first.get(), Message(1), many, Soon())));
  v1::KeyRequest got;
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      ReceivePacket(ends->second.get(), &got, absl::Now()).status()));
  ends->first.reset();
  EXPECT_TRUE(absl::IsUnavailable(
      ReceivePacket(ends->second.get(), &got, Soon()).status()));
}

}  // namespace
}  // namespace autotp
