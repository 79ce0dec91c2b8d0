// partition_table -- one line per imported model: what tensor parallelism makes
// of it, and whether that is right.
//
//   partition_table TP MICRO_BATCH SEQUENCE_LENGTH FOLDER...
#include <cstdio>
#include <filesystem>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "coordinator/model/model.h"
#include "tests/support/compare_partition.h"

namespace autotp::testing {
namespace {

constexpr uint64_t kSeed = 5;
constexpr double kTolerance = 1e-4;
constexpr size_t kNamesShown = 4;

template <typename List>
std::string Shown(List list) {
  const size_t count = list.size();
  if (count > kNamesShown) list.resize(kNamesShown);
  return absl::StrCat(absl::StrJoin(list, ", "),
                      count > kNamesShown ? ", ..." : "");
}

bool Print(const std::string& folder, int tensor_parallel_size,
           int64_t micro_batch, int64_t sequence_length) {
  const std::string name = std::filesystem::path(folder).filename();
  const auto model = model::LoadModel({.path = folder,
                                       .micro_batch = micro_batch,
                                       .sequence_length = sequence_length,
                                       .need_weights = false});
  const auto result =
      model.ok() ? ComparePartition(*model, tensor_parallel_size, kSeed)
                 : absl::StatusOr<Comparison>(model.status());
  if (!result.ok()) {
    std::printf("| %s | %d | **%s** | | | | | |\n", name.c_str(),
                tensor_parallel_size,
                std::string(result.status().message()).c_str());
    return false;
  }
  const bool right = result->difference.loss < kTolerance &&
                     result->difference.gradient < kTolerance;
  std::printf(
      "| %s | %d | %s %.0e / %.0e%s | %.2f | %d / %d | %d | %s | %s |\n",
      name.c_str(), tensor_parallel_size, right ? "yes" : "**no**",
      result->difference.loss, result->difference.gradient,
      right ? ""
            : absl::StrCat(" (", result->difference.parameter, ")").c_str(),
      result->cut, result->copies, result->reductions, result->gathers,
      Shown(result->reasons).c_str(), Shown(result->whole).c_str());
  std::fflush(stdout);
  return right;
}

int Main(int argc, char** argv) {
  int size = 0;
  int64_t micro_batch = 0;
  int64_t sequence_length = 0;
  if (argc < 5 || !absl::SimpleAtoi(argv[1], &size) ||
      !absl::SimpleAtoi(argv[2], &micro_batch) ||
      !absl::SimpleAtoi(argv[3], &sequence_length)) {
    std::fprintf(stderr,
                 "usage: partition_table TP MICRO_BATCH SEQUENCE_LENGTH "
                 "FOLDER...\n");
    return 2;
  }
  int wrong = 0;
  for (int i = 4; i < argc; ++i)
    wrong += !Print(argv[i], size, micro_batch, sequence_length);
  return wrong > 0;
}

}  // namespace
}  // namespace autotp::testing

int main(int argc, char** argv) { return autotp::testing::Main(argc, argv); }
