// metrics_file.h -- the JSON lines of `--metrics`: one object per step.
//
// A step that comes again (after a resume or a restart) replaces its first
// line and all after it, so the file always reads as one run.
#ifndef AUTOTP_CLIENT_CLI_METRICS_FILE_H_
#define AUTOTP_CLIENT_CLI_METRICS_FILE_H_

#include <cstdio>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "autotp/v1/job.pb.h"

namespace autotp::cli {

// {"step": 1, "loss": ...} with every digit of every number; null for what is
// not finite. "loss_scale", "skipped" and "evaluation" where there is one.
std::string MetricsLine(const v1::StepMetrics& step);

class MetricsFile {
 public:
  // `keep`: what the file already holds stays until a step replaces it.
  static absl::StatusOr<MetricsFile> Open(const std::string& path, bool keep);

  // Appends and flushes.
  absl::Status Add(const v1::StepMetrics& step);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  explicit MetricsFile(std::string path) : path_(std::move(path)) {}
  absl::Status DropFrom(int64_t step);

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  int64_t last_step_ = 0;
};

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_METRICS_FILE_H_
