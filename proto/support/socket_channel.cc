#include "proto/support/socket_channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/support/status_macros.h"

namespace autotp {
namespace {

constexpr size_t kLengthBytes = 4;
constexpr size_t kReadBytes = size_t{64} << 10;

absl::Status TooLarge(size_t bytes, size_t limit) {
  return absl::InvalidArgumentError(absl::StrCat(
      "frame of ", bytes, " bytes is above the limit of ", limit, " bytes"));
}

absl::Status PeerGone() {
  return absl::UnavailableError("the peer has closed the socket");
}

// Waits until `fd` can be read or written, whichever `events` names.
absl::Status WaitFor(int fd, short events, absl::Time deadline) {
  while (true) {
    const absl::Duration left = deadline - absl::Now();
    const int64_t milliseconds =
        deadline == absl::InfiniteFuture()
            ? -1
            : std::clamp<int64_t>(absl::ToInt64Milliseconds(
                                      absl::Ceil(left, absl::Milliseconds(1))),
                                  0, 1'000'000);
    pollfd entry{.fd = fd, .events = events, .revents = 0};
    const int ready = poll(&entry, 1, static_cast<int>(milliseconds));
    if (ready > 0) return absl::OkStatus();
    if (ready < 0 && errno != EINTR) {
      return absl::ErrnoToStatus(errno, "poll on a local socket");
    }
    if (absl::Now() >= deadline) {
      return absl::DeadlineExceededError("nothing moved on the local socket");
    }
  }
}

absl::Status SocketError(const char* what) {
  if (errno == EPIPE || errno == ECONNRESET) return PeerGone();
  return absl::ErrnoToStatus(errno, what);
}

bool WouldBlock() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

}  // namespace

void UniqueFd::reset(int fd) {
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
}

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> SocketPair(int type) {
  int ends[2];
  if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::ErrnoToStatus(errno, "socketpair");
  }
  return std::make_pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

absl::Status AppendFrame(const google::protobuf::MessageLite& message,
                         std::string* bytes, size_t frame_bytes_max) {
  const size_t size = message.ByteSizeLong();
  if (size > frame_bytes_max) return TooLarge(size, frame_bytes_max);
  for (size_t i = 0; i < kLengthBytes; ++i) {
    bytes->push_back(static_cast<char>((size >> (8 * i)) & 0xff));
  }
  if (!message.AppendToString(bytes)) {
    return absl::InternalError("a message could not be serialized");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<absl::string_view>> FrameDecoder::Next() {
  // The last frame is dropped only now: its caller was still reading it.
  if (consumed_bytes_ > 0 && consumed_bytes_ * 2 >= buffer_.size()) {
    buffer_.erase(0, consumed_bytes_);
    consumed_bytes_ = 0;
  }
  const absl::string_view rest =
      absl::string_view(buffer_).substr(consumed_bytes_);
  if (rest.size() < kLengthBytes) return std::nullopt;
  size_t size = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    size |= size_t{static_cast<unsigned char>(rest[i])} << (8 * i);
  }
  if (size > frame_bytes_max_) return TooLarge(size, frame_bytes_max_);
  if (rest.size() < kLengthBytes + size) return std::nullopt;
  consumed_bytes_ += kLengthBytes + size;
  return rest.substr(kLengthBytes, size);
}

absl::Status WriteFrame(int fd, const google::protobuf::MessageLite& message,
                        absl::Time deadline) {
  std::string bytes;
  AUTOTP_RETURN_IF_ERROR(AppendFrame(message, &bytes));
  absl::string_view left = bytes;
  while (!left.empty()) {
    const ssize_t sent =
        send(fd, left.data(), left.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      left.remove_prefix(static_cast<size_t>(sent));
      continue;
    }
    if (!WouldBlock()) return SocketError("send on a local socket");
    AUTOTP_RETURN_IF_ERROR(WaitFor(fd, POLLOUT, deadline));
  }
  return absl::OkStatus();
}

absl::Status ReadFrame(int fd, FrameDecoder& decoder,
                       google::protobuf::MessageLite* message,
                       absl::Time deadline) {
  std::vector<char> chunk(kReadBytes);
  while (true) {
    AUTOTP_ASSIGN_OR_RETURN(const auto frame, decoder.Next());
    if (frame.has_value()) {
      if (message->ParseFromArray(frame->data(),
                                  static_cast<int>(frame->size()))) {
        return absl::OkStatus();
      }
      return absl::InvalidArgumentError(
          absl::StrCat("a frame of ", frame->size(), " bytes is no ",
                       message->GetTypeName()));
    }
    const ssize_t got = recv(fd, chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (got == 0) return PeerGone();
    if (got > 0) {
      decoder.Append({chunk.data(), static_cast<size_t>(got)});
      continue;
    }
    if (!WouldBlock()) return SocketError("receive on a local socket");
    AUTOTP_RETURN_IF_ERROR(WaitFor(fd, POLLIN, deadline));
  }
}

absl::Status SendPacket(int fd, const google::protobuf::MessageLite& message,
                        absl::Span<const int> descriptors,
                        absl::Time deadline) {
  std::string bytes = message.SerializeAsString();
  if (bytes.size() > kPacketBytesMax) {
    return TooLarge(bytes.size(), kPacketBytesMax);
  }
  if (descriptors.size() > kPacketDescriptorsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(descriptors.size(), " descriptors in one packet; at most ",
                     kPacketDescriptorsMax));
  }
  iovec data{.iov_base = bytes.data(), .iov_len = bytes.size()};
  alignas(cmsghdr)
      std::array<char, CMSG_SPACE(sizeof(int) * kPacketDescriptorsMax)>
          control{};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  if (!descriptors.empty()) {
    const size_t size = sizeof(int) * descriptors.size();
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(size);
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(rights), descriptors.data(), size);
  }
  while (sendmsg(fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
    if (!WouldBlock()) return SocketError("send of a packet");
    AUTOTP_RETURN_IF_ERROR(WaitFor(fd, POLLOUT, deadline));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<UniqueFd>> ReceivePacket(
    int fd, google::protobuf::MessageLite* message, absl::Time deadline) {
  std::vector<char> bytes(kPacketBytesMax);
  alignas(cmsghdr)
      std::array<char, CMSG_SPACE(sizeof(int) * kPacketDescriptorsMax)>
          control{};
  iovec data{.iov_base = bytes.data(), .iov_len = bytes.size()};
  msghdr header{};
  ssize_t got = 0;
  while (true) {
    header = {};
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    got = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got >= 0) break;
    if (!WouldBlock()) return SocketError("receive of a packet");
    AUTOTP_RETURN_IF_ERROR(WaitFor(fd, POLLIN, deadline));
  }
  std::vector<UniqueFd> descriptors;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr;
       part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int descriptor;
      std::memcpy(&descriptor, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      descriptors.emplace_back(descriptor);
    }
  }
  // An empty message is no packet of ours: a zero read is the end.
  if (got == 0) return PeerGone();
  if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return absl::InvalidArgumentError("a packet was cut short");
  }
  if (!message->ParseFromArray(bytes.data(), static_cast<int>(got))) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a packet of ", got, " bytes is no ", message->GetTypeName()));
  }
  return descriptors;
}

}  // namespace autotp
