#include "worker/checkpoint/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proto/support/status_macros.h"
#include "xxhash.h"

namespace autotp::checkpoint {
namespace {

std::string FolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? "." : folder;
}

using HashState = std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)>;

HashState NewState() {
  HashState state(XXH3_createState(), &XXH3_freeState);
  XXH3_128bits_reset(state.get());
  return state;
}

std::string Hexadecimal(XXH128_hash_t hash) {
  return absl::StrFormat("%016x%016x", hash.high64, hash.low64);
}

}  // namespace

struct OutputFile::Hash {
  Hash() : state(NewState()) {}
  const HashState state;
};

absl::Status FileError(absl::string_view path, absl::string_view what,
                       int error) {
  const std::string message =
      absl::StrCat(path, ": cannot ", what, ": ", std::strerror(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(absl::StrCat(
          message, "; free some space there or choose another folder"));
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(absl::StrCat(
          message, "; choose a folder that this user may write to"));
    case ENOENT:
      return absl::NotFoundError(message);
    case EEXIST:
      return absl::AlreadyExistsError(message);
    default:
      return absl::Status(absl::ErrnoToStatusCode(error), message);
  }
}

OutputFile::OutputFile(std::string path, Mode mode, int descriptor)
    : path_(std::move(path)),
      partial_path_(absl::StrCat(path_, ".partial")),
      mode_(mode),
      descriptor_(descriptor),
      hash_(std::make_unique<Hash>()) {}

absl::StatusOr<std::unique_ptr<OutputFile>> OutputFile::Create(std::string path,
                                                               Mode mode) {
  const std::string partial = absl::StrCat(path, ".partial");
  const int descriptor =
      open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) return FileError(path, "create", errno);
  return std::unique_ptr<OutputFile>(
      new OutputFile(std::move(path), mode, descriptor));
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!gone_) unlink(partial_path_.c_str());
}

absl::Status OutputFile::Error(absl::string_view what, int error) const {
  return FileError(path_, what, error);
}

absl::Status OutputFile::Append(const void* data, int64_t count) {
  XXH3_128bits_update(hash_->state.get(), data, count);
  size_bytes_ += count;
  const char* at = static_cast<const char*>(data);
  while (count > 0) {
    const ssize_t put = write(descriptor_, at, count);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return Error("write", errno);
    at += put;
    count -= put;
  }
  return absl::OkStatus();
}

absl::Status OutputFile::Append(absl::string_view text) {
  return Append(text.data(), static_cast<int64_t>(text.size()));
}

absl::Status OutputFile::Commit() {
  if (fsync(descriptor_) != 0) return Error("sync", errno);
  const int closed = close(descriptor_);
  descriptor_ = -1;
  if (closed != 0) return Error("close", errno);
  if (mode_ == Mode::kCreateOnly) {
    // A link, unlike a rename, fails where the name is taken.
    if (link(partial_path_.c_str(), path_.c_str()) != 0)
      return Error("create", errno);
    unlink(partial_path_.c_str());
  } else if (rename(partial_path_.c_str(), path_.c_str()) != 0) {
    return Error("rename into place", errno);
  }
  gone_ = true;
  return SyncFolder(FolderOf(path_));
}

std::string OutputFile::Digest() const {
  return Hexadecimal(XXH3_128bits_digest(hash_->state.get()));
}

absl::Status SyncFolder(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return FileError(path, "open the folder", errno);
  const int synced = fsync(descriptor);
  const int error = errno;
  close(descriptor);
  return synced == 0 ? absl::OkStatus()
                     : FileError(path, "sync the folder", error);
}

absl::StatusOr<std::string> DigestFile(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return FileError(path, "open", errno);
  const HashState state = NewState();
  std::vector<char> buffer(1 << 20);
  absl::Status status;
  while (true) {
    const ssize_t got = read(descriptor, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) status = FileError(path, "read", errno);
    if (got <= 0) break;
    XXH3_128bits_update(state.get(), buffer.data(), got);
  }
  close(descriptor);
  if (!status.ok()) return status;
  return Hexadecimal(XXH3_128bits_digest(state.get()));
}

}  // namespace autotp::checkpoint
