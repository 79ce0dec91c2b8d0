#include "client/cli/progress_line.h"

#include <unistd.h>

#include <cstdio>

#include "absl/strings/str_format.h"

namespace autotp::cli {
namespace {

constexpr int kBarWidth = 24;
constexpr double kSmoothing = 0.1;  // weight of the newest step
constexpr absl::Duration kTerminalInterval = absl::Milliseconds(100);
constexpr absl::Duration kPlainInterval = absl::Seconds(1);

std::string Clock(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole >= 3600) {
    return absl::StrFormat("%d:%02d:%02d", whole / 3600, whole / 60 % 60,
                           whole % 60);
  }
  return absl::StrFormat("%d:%02d", whole / 60, whole % 60);
}

}  // namespace

std::string ProgressText(const v1::StepMetrics& step, int64_t total_steps,
                         double tokens_per_second) {
  const double done =
      static_cast<double>(step.step()) / static_cast<double>(total_steps);
  const int filled = static_cast<int>(done * kBarWidth);
  std::string bar(filled, '=');
  if (filled < kBarWidth) bar += '>';
  bar.resize(kBarWidth, ' ');
  const double left =
      tokens_per_second > 0
          ? static_cast<double>((total_steps - step.step()) * step.tokens()) /
                tokens_per_second
          : 0;
  return absl::StrFormat("step %d/%d [%s] loss %.4f | %.0f tokens/s | %s left",
                         step.step(), total_steps, bar, step.loss(),
                         tokens_per_second, Clock(left));
}

ProgressLine::ProgressLine(int64_t total_steps)
    : total_steps_(total_steps), terminal_(isatty(STDERR_FILENO) != 0) {}

ProgressLine::~ProgressLine() {
  if (live_) std::fputc('\n', stderr);
}

void ProgressLine::Show(const v1::StepMetrics& step, absl::Time now) {
  const double rate =
      static_cast<double>(step.tokens()) / std::max(1e-9, step.step_seconds());
  tokens_per_second_ =
      tokens_per_second_ == 0
          ? rate
          : tokens_per_second_ + kSmoothing * (rate - tokens_per_second_);
  const bool last = step.step() >= total_steps_;
  if (!last &&
      now - last_shown_ < (terminal_ ? kTerminalInterval : kPlainInterval)) {
    return;
  }
  last_shown_ = now;
  const std::string text = ProgressText(step, total_steps_, tokens_per_second_);
  if (terminal_) {
    std::fprintf(stderr, "\r%s\033[K", text.c_str());
    live_ = true;
  } else {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
  std::fflush(stderr);
}

}  // namespace autotp::cli
