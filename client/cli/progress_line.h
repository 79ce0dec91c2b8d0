// progress_line.h -- how far a training is, live on a terminal, as plain
// lines elsewhere.
#ifndef AUTOTP_CLIENT_CLI_PROGRESS_LINE_H_
#define AUTOTP_CLIENT_CLI_PROGRESS_LINE_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "autotp/v1/job.pb.h"

namespace autotp::cli {

// Pure: "step 12/100 [====>      ] loss 3.21 | 1021 tokens/s | 0:42 left".
std::string ProgressText(const v1::StepMetrics& step, int64_t total_steps,
                         double tokens_per_second);

class ProgressLine {
 public:
  explicit ProgressLine(int64_t total_steps);
  ~ProgressLine();  // ends the live line

  void Show(const v1::StepMetrics& step, absl::Time now);

 private:
  const int64_t total_steps_;
  const bool terminal_;
  bool live_ = false;
  absl::Time last_shown_ = absl::InfinitePast();
  double tokens_per_second_ = 0;  // smoothed
};

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_PROGRESS_LINE_H_
