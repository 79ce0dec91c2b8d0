#include "worker/runtime/local_program.h"

#include <c10/core/InferenceMode.h>

#include <utility>

#include "proto/support/status_macros.h"
#include "worker/runtime/call_torch.h"
#include "worker/runtime/executor.h"

namespace autotp::runtime {

LocalProgram::LocalProgram(std::unique_ptr<Executor> executor)
    : executor_(std::move(executor)) {}

LocalProgram::~LocalProgram() = default;

absl::StatusOr<std::unique_ptr<LocalProgram>> LocalProgram::Compile(
    const v1::Program& program, const CompileOptions& options) {
  auto executor = std::make_unique<Executor>();
  AUTOTP_RETURN_IF_ERROR(CallTorch([&]() -> absl::Status {
    const c10::InferenceMode guard;
    return executor->Compile(program, options);
  }));
  return std::unique_ptr<LocalProgram>(new LocalProgram(std::move(executor)));
}

const std::vector<int64_t>& LocalProgram::parameter_sizes() const {
  return executor_->parameter_sizes();
}

absl::StatusOr<float> LocalProgram::Run(absl::Span<const void* const> inputs,
                                        const RunOptions& options,
                                        ParameterStore& store) {
  return CallTorch([&]() -> absl::StatusOr<float> {
    const c10::InferenceMode guard;
    return executor_->Run(inputs, options, store);
  });
}

absl::StatusOr<float> LocalProgram::Evaluate(
    absl::Span<const void* const> inputs, ParameterStore& store) {
  return CallTorch([&]() -> absl::StatusOr<float> {
    const c10::InferenceMode guard;
    return executor_->Evaluate(inputs, store);
  });
}

}  // namespace autotp::runtime
