#include "coordinator/planner/tune.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace autotp::planner {
namespace {

using Choice = v1::LayoutChoice;

constexpr int kExplained = 3;
constexpr double kGibi = 1 << 30;

std::string GiB(int64_t bytes) {
  return absl::StrFormat("%.1f GiB", static_cast<double>(bytes) / kGibi);
}

// All of the job's layouts: sizes, stage, batch and recomputation, nothing else
// set. Those of one partition follow each other.
std::vector<Choice> Layouts(const TuneJob& job) {
  std::vector<Choice> layouts;
  for (int tensor = 1; tensor <= std::min(job.world_size, kMostTensorRanks);
       ++tensor) {
    if (job.world_size % tensor != 0) continue;
    const int data = job.world_size / tensor;
    if (job.train_batch_size % data != 0) continue;
    const int64_t per_rank = job.train_batch_size / data;
    // Powers of two, and the whole of a rank's share.
    std::vector<int64_t> batches{per_rank};
    for (int64_t micro = 1; micro < per_rank; micro *= 2)
      if (per_rank % micro == 0) batches.push_back(micro);
    for (const int64_t micro : batches) {
      for (int stage = 0; stage <= (data == 1 ? 0 : 2); ++stage) {
        for (const v1::Recomputation recomputation :
             {v1::RECOMPUTATION_NONE, v1::RECOMPUTATION_SELECTIVE,
              v1::RECOMPUTATION_BLOCK}) {
          Choice& choice = layouts.emplace_back();
          choice.set_tensor_parallel_size(tensor);
          choice.set_data_parallel_size(data);
          choice.set_zero_stage(stage);
          choice.set_micro_batch_size(micro);
          choice.set_accumulation_steps(per_rank / micro);
          choice.set_recomputation(recomputation);
        }
      }
    }
  }
  return layouts;
}

bool IsFaster(const Choice& a, const Choice& b) {
  const auto key = [](const Choice& choice) {
    return std::tuple(choice.step_seconds(), choice.estimate().total_bytes(),
                      choice.tensor_parallel_size(), choice.zero_stage(),
                      choice.recomputation());
  };
  return key(a) < key(b);
}

struct Part {
  const char* name;
  double seconds;
};

std::vector<Part> Parts(const Choice& choice) {
  return {{"compute", choice.compute_seconds()},
          {"tensor-parallel exchanges", choice.tensor_seconds()},
          {"data-parallel exchanges", choice.data_seconds()},
          {"the update", choice.update_seconds()}};
}

std::string Shares(const Choice& choice) {
  std::string text;
  for (const Part& part : Parts(choice)) {
    absl::StrAppend(
        &text, text.empty() ? "" : ", ", part.name, " ",
        absl::StrFormat("%.0f %%", 100 * part.seconds / choice.step_seconds()));
  }
  return text;
}

// What `choice` loses most on, beside the best.
std::string Loss(const Choice& choice, const Choice& best) {
  const std::vector<Part> own = Parts(choice);
  const std::vector<Part> other = Parts(best);
  size_t most = 0;
  for (size_t i = 1; i < own.size(); ++i) {
    if (own[i].seconds - other[i].seconds >
        own[most].seconds - other[most].seconds)
      most = i;
  }
  const double percent =
      100 * (choice.step_seconds() / best.step_seconds() - 1);
  if (own[most].seconds <= other[most].seconds)
    return "as fast as the first, by the model";
  return absl::StrFormat("%.1f %% slower than the first, most of all in %s",
                         percent, own[most].name);
}

// Why not less tensor parallelism, the usual wish.
std::string Neighbour(const Choice& choice,
                      const std::vector<Choice>& too_large) {
  const Choice* nearest = nullptr;
  for (const Choice& other : too_large) {
    if (other.tensor_parallel_size() >= choice.tensor_parallel_size() ||
        other.zero_stage() != choice.zero_stage() ||
        other.micro_batch_size() > choice.micro_batch_size())
      continue;
    const auto key = [](const Choice& one) {
      return std::tuple(one.tensor_parallel_size(), one.micro_batch_size(),
                        -one.estimate().total_bytes());
    };
    if (nearest == nullptr || key(other) > key(*nearest)) nearest = &other;
  }
  if (nearest == nullptr) return "";
  return absl::StrCat("; TP ", nearest->tensor_parallel_size(),
                      " at micro-batch ", nearest->micro_batch_size(),
                      " would need ", GiB(nearest->estimate().total_bytes()));
}

// What is computed again, and what for.
std::string Again(const Choice& choice) {
  if (choice.recomputation() == v1::RECOMPUTATION_NONE) return "";
  const v1::Estimate& estimate = choice.estimate();
  return absl::StrFormat(
      "; recomputation saves %s of activations for %.1f %% more FLOPs",
      GiB(estimate.recomputation_saved_bytes()),
      100 * estimate.recomputation_flops_per_token() /
          estimate.flops_per_token());
}

std::string Explanation(const Choice& choice, const Choice& best,
                        const v1::TuneRequest& request,
                        const std::vector<Choice>& too_large) {
  std::string memory =
      absl::StrCat("needs ", GiB(choice.estimate().total_bytes()));
  if (request.memory_limit_bytes() > 0)
    absl::StrAppend(&memory, " of ", GiB(request.memory_limit_bytes()));
  return absl::StrCat(&choice == &best ? "fastest" : Loss(choice, best), "; ",
                      memory, Again(choice), "; ", Shares(choice),
                      Neighbour(choice, too_large));
}

std::string ChangeJson(const TuneJob& job, const Choice& choice) {
  return absl::StrFormat(
      "{\"train_batch_size\": %d, \"train_micro_batch_size_per_gpu\": %d, "
      "\"gradient_accumulation_steps\": %d, \"zero_optimization\": "
      "{\"stage\": %d}, \"tensor_parallel\": {\"autotp_size\": %d}}",
      job.train_batch_size, choice.micro_batch_size(),
      choice.accumulation_steps(), choice.zero_stage(),
      choice.tensor_parallel_size());
}

void Complete(const TuneJob& job, Choice* choice) {
  choice->set_tokens_per_second(
      static_cast<double>(job.train_batch_size * job.sequence_length) /
      choice->step_seconds());
  choice->set_config_change_json(ChangeJson(job, *choice));
}

}  // namespace

v1::TuneResult Tune(const TuneJob& job, const v1::TuneRequest& request,
                    MeasureLayout measure) {
  v1::TuneResult result;
  *result.mutable_cost() = CostModelFor(request.cost(), job.compute_dtype);
  std::vector<Choice> fitting;
  std::vector<Choice> too_large;
  for (Choice& choice : Layouts(job)) {
    const std::optional<Measured> measured = measure(choice);
    if (!measured.has_value()) continue;
    *choice.mutable_estimate() = measured->estimate;
    SetSeconds(result.cost(), measured->work, &choice);
    Complete(job, &choice);
    const bool fits =
        request.memory_limit_bytes() <= 0 ||
        choice.estimate().total_bytes() <= request.memory_limit_bytes();
    (fits ? fitting : too_large).push_back(std::move(choice));
  }
  result.set_considered(
      static_cast<int32_t>(fitting.size() + too_large.size()));
  std::sort(fitting.begin(), fitting.end(), IsFaster);
  for (size_t i = 0; i < fitting.size() && i < kExplained; ++i) {
    fitting[i].set_explanation(
        Explanation(fitting[i], fitting[0], request, too_large));
  }
  if (fitting.empty() && !too_large.empty()) {
    *result.mutable_smallest() = *std::min_element(
        too_large.begin(), too_large.end(),
        [](const Choice& a, const Choice& b) {
          return a.estimate().total_bytes() < b.estimate().total_bytes();
        });
  }
  result.mutable_choices()->Add(fitting.begin(), fitting.end());
  if (job.world_size > kMostTensorRanks) {
    result.set_note(absl::StrCat("tensor-parallel sizes up to ",
                                 kMostTensorRanks,
                                 ": a group stays within a host"));
  }
  return result;
}

}  // namespace autotp::planner
