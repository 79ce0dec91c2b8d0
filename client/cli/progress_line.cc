#include "client/cli/progress_line.h"

#include <unistd.h>

#include <cmath>
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

// "| loss scale 65536, 2 steps skipped ": the parts that not every job has.
std::string Extras(const v1::StepMetrics& step, const ProgressFacts& facts) {
  std::string text;
  if (facts.evaluation.tokens() > 0) {
    absl::StrAppendFormat(&text, "| evaluation %.4f, perplexity %.2f ",
                          facts.evaluation.loss(),
                          std::exp(facts.evaluation.loss()));
  }
  std::string scale;
  if (step.loss_scale() > 0)
    scale = absl::StrFormat("loss scale %g", step.loss_scale());
  if (facts.skipped > 0) {
    absl::StrAppendFormat(&scale, "%s%d %s skipped", scale.empty() ? "" : ", ",
                          facts.skipped, facts.skipped == 1 ? "step" : "steps");
  }
  if (!scale.empty()) absl::StrAppendFormat(&text, "| %s ", scale);
  return text;
}

}  // namespace

std::string ProgressText(const v1::StepMetrics& step, int64_t total_steps,
                         const ProgressFacts& facts) {
  const double done =
      static_cast<double>(step.step()) / static_cast<double>(total_steps);
  const int filled = static_cast<int>(done * kBarWidth);
  std::string bar(filled, '=');
  if (filled < kBarWidth) bar += '>';
  bar.resize(kBarWidth, ' ');
  const double left =
      facts.tokens_per_second > 0
          ? static_cast<double>((total_steps - step.step()) * step.tokens()) /
                facts.tokens_per_second
          : 0;
  return absl::StrFormat(
      "step %d/%d [%s] loss %.4f %s| %.0f tokens/s | %s left", step.step(),
      total_steps, bar, step.loss(), Extras(step, facts),
      facts.tokens_per_second, Clock(left));
}

ProgressLine::ProgressLine(int64_t total_steps)
    : total_steps_(total_steps), terminal_(isatty(STDERR_FILENO) != 0) {}

ProgressLine::~ProgressLine() {
  if (live_) std::fputc('\n', stderr);
}

void ProgressLine::Show(const v1::StepMetrics& step, absl::Time now) {
  const double rate =
      static_cast<double>(step.tokens()) / std::max(1e-9, step.step_seconds());
  double& speed = facts_.tokens_per_second;
  speed = speed == 0 ? rate : speed + kSmoothing * (rate - speed);
  if (step.skipped()) ++facts_.skipped;
  if (step.has_evaluation()) facts_.evaluation = step.evaluation();
  const bool last = step.step() >= total_steps_;
  if (!last && !step.has_evaluation() &&
      now - last_shown_ < (terminal_ ? kTerminalInterval : kPlainInterval)) {
    return;
  }
  last_shown_ = now;
  const std::string text = ProgressText(step, total_steps_, facts_);
  if (terminal_) {
    std::fprintf(stderr, "\r%s\033[K", text.c_str());
    live_ = true;
  } else {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
  std::fflush(stderr);
}

}  // namespace autotp::cli
