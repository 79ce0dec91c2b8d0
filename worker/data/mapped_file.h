// mapped_file.h -- a read-only file: mapped to find out what is in it, read
// piece by piece while a job runs.
//
// A page of a mapping that lies behind a file's new end kills the process that
// touches it; a read says what is missing. So bytes() is for the moment of
// opening, and ReadAt() for everything after it.
//
// Threading: immutable; any thread.
#ifndef AUTOTP_WORKER_DATA_MAPPED_FILE_H_
#define AUTOTP_WORKER_DATA_MAPPED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace autotp::data {

class MappedFile {
 public:
  //   NOT_FOUND         no such file
  //   INVALID_ARGUMENT  a folder, or empty
  static absl::StatusOr<std::unique_ptr<MappedFile>> Open(
      const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  // Valid as long as this object, and as the file is not cut short.
  absl::string_view bytes() const { return {data_, size_}; }
  // Fills `out` from byte `offset`.
  //   DATA_LOSS  the file ends before; it was longer when it was opened
  // REQUIRES: the bytes lie in bytes().
  absl::Status ReadAt(int64_t offset, absl::Span<char> out) const;

 private:
  MappedFile(std::string path, int descriptor, const char* data, size_t size)
      : path_(std::move(path)),
        descriptor_(descriptor),
        data_(data),
        size_(size) {}

  const std::string path_;
  const int descriptor_;
  const char* const data_;
  const size_t size_;
};

}  // namespace autotp::data

#endif  // AUTOTP_WORKER_DATA_MAPPED_FILE_H_
