#include "worker/data/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

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
  close(descriptor);  // the mapping stays
  if (!mapped.ok()) return mapped;
  return std::unique_ptr<MappedFile>(
      new MappedFile(path, static_cast<const char*>(data), size));
}

MappedFile::~MappedFile() { munmap(const_cast<char*>(data_), size_); }

}  // namespace autotp::data
