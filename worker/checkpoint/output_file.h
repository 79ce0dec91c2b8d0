// output_file.h -- a file that appears whole and synced, or not at all.
//
// Bytes go to PATH.partial; Commit() syncs and renames. An object that is
// destroyed before Commit() leaves nothing behind.
//
// Threading: one thread at a time.
#ifndef AUTOTP_WORKER_CHECKPOINT_OUTPUT_FILE_H_
#define AUTOTP_WORKER_CHECKPOINT_OUTPUT_FILE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace autotp::checkpoint {

class OutputFile {
 public:
  enum class Mode {
    kReplace,     // an older file of that name is replaced
    kCreateOnly,  // ALREADY_EXISTS at Commit() if there is one
  };

  // Errors here and below name the path and what to do; a full disk or quota
  // is RESOURCE_EXHAUSTED, a folder without permission PERMISSION_DENIED.
  static absl::StatusOr<std::unique_ptr<OutputFile>> Create(std::string path,
                                                            Mode mode);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  absl::Status Append(const void* data, int64_t count);
  absl::Status Append(absl::string_view text);
  // File and folder are on disk when this returns OK.
  absl::Status Commit();

  int64_t size_bytes() const { return size_bytes_; }
  // XXH3-128 of what was appended, 32 hexadecimal digits.
  std::string Digest() const;

 private:
  struct Hash;
  OutputFile(std::string path, Mode mode, int descriptor);
  absl::Status Error(absl::string_view what, int error) const;

  const std::string path_;
  const std::string partial_path_;
  const Mode mode_;
  int descriptor_;
  int64_t size_bytes_ = 0;
  std::unique_ptr<Hash> hash_;
  bool gone_ = false;  // the partial file no longer exists under its name
};

// Syncs a folder, so that its entries survive a crash.
absl::Status SyncFolder(const std::string& path);

// XXH3-128 of a file, as OutputFile::Digest.
absl::StatusOr<std::string> DigestFile(const std::string& path);

// "PATH: cannot WHAT: no space left on device; ..." with the code that fits.
absl::Status FileError(absl::string_view path, absl::string_view what,
                       int error);

}  // namespace autotp::checkpoint

#endif  // AUTOTP_WORKER_CHECKPOINT_OUTPUT_FILE_H_
