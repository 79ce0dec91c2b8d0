#include "worker/data/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proto/support/check.h"

namespace autotp::data {
namespace {

absl::Status ErrnoStatus(const std::string& path, const char* what) {
  return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot ", what));
}

}  // namespace

absl::StatusOr<std::unique_ptr<MappedFile>> MappedFile::Open(
    const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    if (errno == ENOENT)
      return absl::NotFoundError(absl::StrCat(path, ": no such data file"));
    return ErrnoStatus(path, "open the data file");
  }
  struct stat info;
  if (fstat(descriptor, &info) != 0) {
    const absl::Status status = ErrnoStatus(path, "read the data file's size");
    close(descriptor);
    return status;
  }
  if (!S_ISREG(info.st_mode) || info.st_size == 0) {
    close(descriptor);
    return absl::InvalidArgumentError(absl::StrCat(
        path, S_ISREG(info.st_mode) ? ": the data file is empty"
                                    : ": not a file; name one data file"));
  }
  const size_t size = static_cast<size_t>(info.st_size);
  void* data = mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, 0);
  const absl::Status mapped = data == MAP_FAILED
                                  ? ErrnoStatus(path, "map the data file")
                                  : absl::OkStatus();
  if (!mapped.ok()) {
    close(descriptor);
    return mapped;
  }
  return std::unique_ptr<MappedFile>(
      new MappedFile(path, descriptor, static_cast<const char*>(data), size));
}

MappedFile::~MappedFile() {
  munmap(const_cast<char*>(data_), size_);
  close(descriptor_);
}

absl::Status MappedFile::ReadAt(int64_t offset, absl::Span<char> out) const {
  const int64_t end = offset + static_cast<int64_t>(out.size());
  AUTOTP_CHECK(offset >= 0, path_);
  AUTOTP_CHECK(end <= static_cast<int64_t>(size_), path_);
  while (!out.empty()) {
    const ssize_t count = pread(descriptor_, out.data(), out.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(path_, "read the data file");
    if (count == 0) {
      return absl::DataLossError(absl::StrCat(
          path_, ": ends at byte ", offset, ", but byte ", end, " is needed; ",
          "it had ", size_,
          " bytes when the job began: it was cut short meanwhile"));
    }
    out.remove_prefix(static_cast<size_t>(count));
    offset += count;
  }
  return absl::OkStatus();
}

}  // namespace autotp::data
