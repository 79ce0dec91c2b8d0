// socket_channel.h -- protobuf messages and descriptors over local sockets.
//
// Flow: worker/agent <-> worker/trainer. A stream carries frames (a 4-byte
// little-endian length, then the message's bytes); a SOCK_SEQPACKET socket
// carries one message a packet, with descriptors beside it.
//
// Every function that can wait takes a deadline. No call raises SIGPIPE.
//   UNAVAILABLE        the peer has closed its end
//   DEADLINE_EXCEEDED  the deadline passed; a frame may be half written, so
//                      the stream is dead
//   INVALID_ARGUMENT   a frame above its limit, or bytes that do not parse
//
// Threading: external synchronization, per direction of a socket.
#ifndef AUTOTP_PROTO_SUPPORT_SOCKET_CHANNEL_H_
#define AUTOTP_PROTO_SUPPORT_SOCKET_CHANNEL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "google/protobuf/message_lite.h"

namespace autotp {

// A trainer's task holds its local program: a few MB for the largest models.
inline constexpr size_t kFrameBytesMax = size_t{256} << 20;
inline constexpr size_t kPacketBytesMax = size_t{64} << 10;
inline constexpr size_t kPacketDescriptorsMax = 64;

// Owns a file descriptor; -1: none.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

// Two connected AF_UNIX sockets of `type` (SOCK_STREAM, SOCK_SEQPACKET),
// closed on exec.
absl::StatusOr<std::pair<UniqueFd, UniqueFd>> SocketPair(int type);

// Adds the frame of `message` to `bytes`.
absl::Status AppendFrame(const google::protobuf::MessageLite& message,
                         std::string* bytes,
                         size_t frame_bytes_max = kFrameBytesMax);

// Cuts a stream of bytes into frames, however the bytes arrive.
class FrameDecoder {
 public:
  explicit FrameDecoder(size_t frame_bytes_max = kFrameBytesMax)
      : frame_bytes_max_(frame_bytes_max) {}

  void Append(absl::string_view bytes) {
    buffer_.append(bytes.data(), bytes.size());
  }
  // The next whole frame without its length, valid until the next call;
  // nothing: more bytes are needed.
  absl::StatusOr<std::optional<absl::string_view>> Next();

 private:
  const size_t frame_bytes_max_;
  std::string buffer_;
  size_t consumed_bytes_ = 0;  // at the front of buffer_
};

absl::Status WriteFrame(int fd, const google::protobuf::MessageLite& message,
                        absl::Time deadline);
// `decoder` keeps what was read past this frame: one decoder per socket.
absl::Status ReadFrame(int fd, FrameDecoder& decoder,
                       google::protobuf::MessageLite* message,
                       absl::Time deadline);

absl::Status SendPacket(int fd, const google::protobuf::MessageLite& message,
                        absl::Span<const int> descriptors, absl::Time deadline);
// Returns the descriptors that came along, closed on exec.
absl::StatusOr<std::vector<UniqueFd>> ReceivePacket(
    int fd, google::protobuf::MessageLite* message, absl::Time deadline);

}  // namespace autotp

#endif  // AUTOTP_PROTO_SUPPORT_SOCKET_CHANNEL_H_
