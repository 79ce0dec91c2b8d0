#include "coordinator/config/batch_triangle.h"

#include <algorithm>
#include <utility>

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

// "4 x 2 x data-parallel size 2".
std::string ProductText(const BatchNumbers& numbers, const BatchRanks& ranks) {
  return absl::StrCat(numbers.micro, " x ", numbers.accumulation,
                      " x data-parallel size ", ranks.data_parallel_size);
}

// The first of the three keys that has a number.
const char* FirstGiven(const BatchRequest& request) {
  return request.train ? kTrain : request.micro ? kMicro : kAccumulation;
}

bool HasProblem(const Diagnostics& diagnostics, const SourcePlace& place) {
  return diagnostics.Has(place, "WRONG_TYPE") ||
         diagnostics.Has(place, "OUT_OF_RANGE");
}

void ReportProblem(const SectionReader& reader, const BatchRequest& request,
                   const BatchRanks& ranks, const BatchNumbers& numbers) {
  std::string problem = numbers.problem;
  const char* key = FirstGiven(request);
  for (const char* written : {kMicro, kTrain}) {
    if (!reader.IsAuto(written) || request.train || request.micro) continue;
    key = written;
    absl::StrAppend(&problem, "; \"auto\" is the argument of a script, and ",
                    "no script runs here");
    break;
  }
  if (ranks.world_size != ranks.data_parallel_size && request.train &&
      CountAsDeepSpeed(request, ranks.world_size).has_value()) {
    absl::StrAppend(&problem, "; DeepSpeed takes it, since it divides by the ",
                    "world of ", ranks.world_size,
                    ", where the ranks of a tensor-parallel group share their ",
                    "sequences");
  }
  reader.diagnostics()->Error(reader.PlaceOf(key), numbers.reason, problem,
                              numbers.suggestion);
}

void NoteAutos(const SectionReader& reader, const BatchRanks& ranks,
               const BatchNumbers& numbers) {
  const std::pair<const char*, int64_t> values[] = {
      {kTrain, numbers.train},
      {kMicro, numbers.micro},
      {kAccumulation, numbers.accumulation}};
  for (const auto& [key, value] : values) {
    if (!reader.IsAuto(key)) continue;
    reader.NoteAuto(key, absl::StrCat(value),
                    absl::StrCat("since ", numbers.train, " = ",
                                 ProductText(numbers, ranks)));
  }
}

void NoteOtherCount(const SectionReader& reader, const BatchRequest& request,
                    const BatchRanks& ranks, const BatchNumbers& numbers) {
  if (ranks.world_size == ranks.data_parallel_size) return;
  const std::optional<BatchNumbers> other =
      CountAsDeepSpeed(request, ranks.world_size);
  std::string theirs = "refuse these numbers";
  if (other.has_value()) {
    theirs =
        absl::StrCat("count ", kTrain, " ", other->train, " = ", other->micro,
                     " x ", other->accumulation, " x ", ranks.world_size);
  }
  reader.diagnostics()->Note(
      reader.PlaceOf(FirstGiven(request)), "BATCH_COUNTED_OTHERWISE",
      absl::StrCat(kTrain, " is ", numbers.train, " = ",
                   ProductText(numbers, ranks),
                   " here; DeepSpeed, dividing by the world of ",
                   ranks.world_size, ", would ", theirs));
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

std::optional<BatchNumbers> CountAsDeepSpeed(const BatchRequest& request,
                                             int64_t world_size) {
  BatchNumbers numbers;
  numbers.train = request.train.value_or(0);
  numbers.micro = request.micro.value_or(0);
  numbers.accumulation = request.accumulation.value_or(0);
  if (request.train && request.micro) {
    if (!request.accumulation) {
      numbers.accumulation = numbers.train / numbers.micro / world_size;
    }
  } else if (request.train) {
    if (!request.accumulation) numbers.accumulation = 1;
    numbers.micro = numbers.train / world_size / numbers.accumulation;
  } else if (request.micro) {
    if (!request.accumulation) numbers.accumulation = 1;
    numbers.train = numbers.micro * numbers.accumulation * world_size;
  }
  const bool positive =
      std::min({numbers.train, numbers.micro, numbers.accumulation}) > 0;
  if (!positive ||
      numbers.micro * numbers.accumulation * world_size != numbers.train) {
    return std::nullopt;
  }
  return numbers;
}

BatchNumbers ReadBatch(const JsonDocument& document, const BatchRanks& ranks,
                       Diagnostics* diagnostics) {
  const SectionReader reader(document, &document.root(), diagnostics);
  const int errors = diagnostics->errors();
  BatchRequest request;
  request.train = reader.Integer(kTrain, 1, kLargestTrain);
  request.micro = reader.Integer(kMicro, 1, kLargestPart);
  request.accumulation = reader.Integer(kAccumulation, 1, kLargestPart);
  for (const char* key : {kTrain, kMicro, kAccumulation}) {
    const JsonNode* node = document.root().Find(key);
    if (node != nullptr && HasProblem(*diagnostics, document.PlaceOf(*node))) {
      return {};  // reported by the key check
    }
  }
  if (diagnostics->errors() > errors || ranks.data_parallel_size == 0) {
    return {};
  }
  BatchNumbers numbers = CloseBatchTriangle(request, ranks.data_parallel_size);
  if (!numbers.problem.empty()) {
    ReportProblem(reader, request, ranks, numbers);
  } else {
    NoteAutos(reader, ranks, numbers);
    NoteOtherCount(reader, request, ranks, numbers);
  }
  return numbers;
}

}  // namespace autotp::config
