// progress_line.h -- how far a training is, live on a terminal, as plain
// lines elsewhere.
#ifndef AUTOTP_CLIENT_CLI_PROGRESS_LINE_H_
#define AUTOTP_CLIENT_CLI_PROGRESS_LINE_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "autotp/v1/job.pb.h"

namespace autotp::cli {

// What a line says beside its step.
struct ProgressFacts {
  double tokens_per_second = 0;
  int64_t skipped = 0;              // steps so far
  v1::EvaluationResult evaluation;  // the newest; no tokens: none
};

// Pure: "step 12/100 [====>      ] loss 3.21 | 1021 tokens/s | 0:42 left", with
// "| evaluation 3.30, perplexity 27.11 | loss scale 65536, 2 steps skipped"
// where there is such.
std::string ProgressText(const v1::StepMetrics& step, int64_t total_steps,
                         const ProgressFacts& facts);

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
  ProgressFacts facts_;  // the speed is smoothed
};

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_PROGRESS_LINE_H_
