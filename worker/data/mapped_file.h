// mapped_file.h -- a read-only view of a whole file.
#ifndef AUTOTP_WORKER_DATA_MAPPED_FILE_H_
#define AUTOTP_WORKER_DATA_MAPPED_FILE_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

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

 private:
  MappedFile(std::string path, const char* data, size_t size)
      : path_(std::move(path)), data_(data), size_(size) {}

  const std::string path_;
  const char* const data_;
  const size_t size_;
};

}  // namespace autotp::data

#endif  // AUTOTP_WORKER_DATA_MAPPED_FILE_H_
