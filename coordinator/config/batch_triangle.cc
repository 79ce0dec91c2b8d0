#include "coordinator/config/batch_triangle.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "coordinator/config/section_reader.h"

namespace autotp::config {
namespace {

constexpr char kTrain[] = "train_batch_size";
constexpr char kMicro[] = "train_micro_batch_size_per_gpu";
constexpr char kAccumulation[] = "gradient_accumulation_steps";
// Keeps the product of three within 64 bits.
constexpr int64_t kLargestTrain = int64_t{1} << 31;
constexpr int64_t kLargestPart = int64_t{1} << 20;

// The multiples of `unit` around `number`, for suggestions.
std::string NearestMultiples(int64_t number, int64_t unit) {
  const int64_t below = number / unit * unit;
  if (below == 0) return absl::StrCat(unit);
  return absl::StrCat(below, " or ", below + unit);
}

// Splits `train` over `unit` sequences per step of the missing number.
int64_t Divide(const char* found, int64_t train, int64_t unit,
               const std::string& unit_name, BatchNumbers* numbers) {
  if (train % unit == 0) return train / unit;
  numbers->reason = "BATCH_SIZE_MISMATCH";
  numbers->problem =
      absl::StrCat(kTrain, " ", train, " is not a multiple of ", unit_name,
                   " = ", unit, ", so no ", found, " closes it");
  numbers->suggestion =
      absl::StrCat("set ", kTrain, " to ", NearestMultiples(train, unit));
  return 0;
}

}  // namespace

BatchNumbers CloseBatchTriangle(const BatchRequest& request,
                                int64_t data_parallel_size) {
  const int64_t ranks = data_parallel_size;
  BatchNumbers numbers;
  numbers.train = request.train.value_or(0);
  numbers.micro = request.micro.value_or(0);
  numbers.accumulation = request.accumulation.value_or(0);
  const std::string ranks_text =
      absl::StrCat("data-parallel size ", data_parallel_size);
  if (request.train && request.micro && request.accumulation) {
    const int64_t product = numbers.micro * numbers.accumulation * ranks;
    if (product == numbers.train) return numbers;
    numbers.reason = "BATCH_SIZE_MISMATCH";
    numbers.problem =
        absl::StrCat(kTrain, " is ", numbers.train, ", but ", kMicro, " ",
                     numbers.micro, " x ", kAccumulation, " ",
                     numbers.accumulation, " x ", ranks_text, " = ", product);
    numbers.suggestion = absl::StrCat("set ", kTrain, " to ", product,
                                      ", or leave one of the three out");
  } else if (request.train && request.micro) {
    numbers.accumulation = Divide(
        kAccumulation, numbers.train, numbers.micro * ranks,
        absl::StrCat(kMicro, " ", numbers.micro, " x ", ranks_text), &numbers);
  } else if (request.train && request.accumulation) {
    numbers.micro =
        Divide(kMicro, numbers.train, numbers.accumulation * ranks,
               absl::StrCat(kAccumulation, " ", numbers.accumulation, " x ",
                            ranks_text),
               &numbers);
  } else if (request.train) {
    numbers.accumulation = 1;
    numbers.micro = Divide(kMicro, numbers.train, ranks, ranks_text, &numbers);
  } else if (request.micro) {
    if (!request.accumulation) numbers.accumulation = 1;
    numbers.train = numbers.micro * numbers.accumulation * ranks;
  } else {
    numbers.reason = "BATCH_SIZE_MISSING";
    numbers.problem = absl::StrCat(
        "neither ", kTrain, " nor ", kMicro, " is given",
        request.accumulation
            ? absl::StrCat("; ", kAccumulation, " ", numbers.accumulation,
                           " alone fixes neither")
            : "");
    numbers.suggestion = absl::StrCat("add \"", kMicro, "\": 1");
  }
  return numbers;
}

BatchNumbers ReadBatch(const JsonDocument& document, int64_t data_parallel_size,
                       Diagnostics* diagnostics) {
  const SectionReader reader(document, &document.root(), diagnostics);
  const int errors = diagnostics->errors();
  BatchRequest request;
  request.train = reader.Integer(kTrain, 1, kLargestTrain);
  request.micro = reader.Integer(kMicro, 1, kLargestPart);
  request.accumulation = reader.Integer(kAccumulation, 1, kLargestPart);
  if (diagnostics->errors() > errors || data_parallel_size == 0) return {};
  BatchNumbers numbers = CloseBatchTriangle(request, data_parallel_size);
  if (!numbers.problem.empty()) {
    const char* key = request.train ? kTrain : kAccumulation;
    diagnostics->Error(reader.PlaceOf(key), numbers.reason, numbers.problem,
                       numbers.suggestion);
  }
  return numbers;
}

}  // namespace autotp::config
