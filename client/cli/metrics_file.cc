#include "client/cli/metrics_file.h"

#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"
#include "proto/support/status_macros.h"

namespace autotp::cli {
namespace {

// The step of a line; 0 where it is no metrics line.
int64_t StepOf(const std::string& line) {
  const auto object = nlohmann::json::parse(line, nullptr, false);
  if (!object.is_object()) return 0;
  const auto step = object.find("step");
  return step != object.end() && step->is_number_integer()
             ? step->get<int64_t>()
             : 0;
}

// Every digit; JSON has no word for what is not finite but null.
std::string Number(double number) {
  return std::isfinite(number) ? absl::StrFormat("%.17g", number) : "null";
}

}  // namespace

std::string MetricsLine(const v1::StepMetrics& step) {
  std::string line = absl::StrFormat(
      "{\"step\": %d, \"loss\": %s, \"grad_norm\": %s, "
      "\"learning_rate\": %s, \"tokens\": %d, \"step_seconds\": %.6f",
      step.step(), Number(step.loss()), Number(step.grad_norm()),
      Number(step.learning_rate()), step.tokens(), step.step_seconds());
  if (step.loss_scale() > 0)
    absl::StrAppend(&line, ", \"loss_scale\": ", Number(step.loss_scale()));
  if (step.skipped()) absl::StrAppend(&line, ", \"skipped\": true");
  if (step.has_evaluation()) {
    const double loss = step.evaluation().loss();
    absl::StrAppend(&line, ", \"evaluation\": {\"loss\": ", Number(loss),
                    ", \"perplexity\": ", Number(std::exp(loss)),
                    ", \"tokens\": ", step.evaluation().tokens(), "}");
  }
  return line + "}";
}

absl::StatusOr<MetricsFile> MetricsFile::Open(const std::string& path,
                                              bool keep) {
  MetricsFile metrics(path);
  if (keep) {
    std::ifstream existing(path);
    for (std::string line; std::getline(existing, line);)
      metrics.last_step_ = std::max(metrics.last_step_, StepOf(line));
  }
  metrics.file_.reset(std::fopen(path.c_str(), keep ? "a" : "w"));
  if (metrics.file_ == nullptr) return absl::ErrnoToStatus(errno, path);
  return metrics;
}

absl::Status MetricsFile::DropFrom(int64_t step) {
  std::ifstream existing(path_);
  int64_t kept_bytes = 0;
  for (std::string line; std::getline(existing, line);) {
    if (StepOf(line) >= step) break;
    kept_bytes += static_cast<int64_t>(line.size()) + 1;
  }
  if (ftruncate(fileno(file_.get()), kept_bytes) != 0 ||
      std::fseek(file_.get(), 0, SEEK_END) != 0) {
    return absl::ErrnoToStatus(errno, path_);
  }
  return absl::OkStatus();
}

absl::Status MetricsFile::Add(const v1::StepMetrics& step) {
  if (step.step() <= last_step_) AUTOTP_RETURN_IF_ERROR(DropFrom(step.step()));
  last_step_ = step.step();
  if (absl::FPrintF(file_.get(), "%s\n", MetricsLine(step)) < 0 ||
      std::fflush(file_.get()) != 0) {
    return absl::ErrnoToStatus(errno, path_);
  }
  return absl::OkStatus();
}

}  // namespace autotp::cli
