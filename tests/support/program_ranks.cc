#include "tests/support/program_ranks.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "tests/support/program_maker.h"
#include "tests/support/shared_group.h"
#include "worker/collective/factory.h"
#include "worker/runtime/local_program.h"
#include "worker/runtime/parallel.h"

namespace autotp::testing {
namespace {

int64_t Count(const google::protobuf::RepeatedField<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

// Calls visit(place in the whole, place in the rank's part) element by element.
void VisitPart(const v1::Parameter& parameter,
               const std::function<void(int64_t, int64_t)>& visit) {
  const int dim = parameter.cut_dim();
  if (dim < 0) {
    for (int64_t i = 0; i < Count(parameter.shape()); ++i) visit(i, i);
    return;
  }
  int64_t outer = 1;
  for (int d = 0; d < dim; ++d) outer *= parameter.shape(d);
  int64_t inner = 1;
  for (int d = dim + 1; d < parameter.shape_size(); ++d)
    inner *= parameter.shape(d);
  int64_t at = 0;
  for (int64_t o = 0; o < outer; ++o) {
    for (const v1::Interval& own : parameter.intervals()) {
      for (int64_t i = own.begin() * inner; i < own.end() * inner; ++i)
        visit(o * parameter.shape(dim) * inner + i, at++);
    }
  }
}

struct RankResult {
  double loss = 0;
  std::vector<std::vector<float>> gradients;
};

absl::StatusOr<RankResult> RunRank(const v1::Program& program,
                                   collective::Communicator* group,
                                   const NamedNumbers& weights,
                                   const InputBytes& inputs) {
  runtime::CompileOptions options;
  options.tensor_group = group;
  AUTOTP_ASSIGN_OR_RETURN(const auto local,
                          runtime::LocalProgram::Compile(program, options));
  std::vector<std::vector<float>> parts;
  for (const v1::Parameter& parameter : program.parameters()) {
    const std::vector<float>& whole = weights.at(parameter.name());
    parts.emplace_back(Count(program.values(parameter.value()).shape()));
    VisitPart(parameter, [&](int64_t from, int64_t to) {
      parts.back().at(to) = whole.at(from);
    });
  }
  VectorStore store(std::move(parts));
  std::vector<const void*> pointers;
  for (const std::vector<char>& input : inputs)
    pointers.push_back(input.data());
  RankResult result;
  AUTOTP_ASSIGN_OR_RETURN(const float loss, local->Run(pointers, {}, store));
  result.loss = loss;
  result.gradients = std::move(store.gradients);
  return result;
}

double Norm(const std::vector<float>& numbers) {
  double sum = 0;
  for (const float number : numbers) sum += double{number} * number;
  return std::sqrt(sum);
}

double Distance(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double one = double{a[i]} - b[i];
    sum += one * one;
  }
  return std::sqrt(sum);
}

template <typename T>
void Append(std::vector<char>& bytes, T value) {
  bytes.resize(bytes.size() + sizeof(T));
  std::memcpy(bytes.data() + bytes.size() - sizeof(T), &value, sizeof(T));
}

}  // namespace

absl::Status OnRanks(
    int size,
    const std::function<absl::Status(int, collective::Communicator*)>& body) {
  if (size == 1) return body(0, nullptr);
  AUTOTP_ASSIGN_OR_RETURN(const int memory,
                          collective::CreateSharedMemory(size));
  std::vector<absl::Status> outcomes(size);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      runtime::SetThreads(1);
      auto made = JoinSharedGroup("tp/0", size, rank, memory);
      outcomes[rank] = made.ok() ? body(rank, made->get()) : made.status();
      if (made.ok() && !outcomes[rank].ok())
        (*made)->Abort(std::string(outcomes[rank].message()));
    });
  }
  for (std::thread& thread : threads) thread.join();
  close(memory);
  for (int rank = 0; rank < size; ++rank) {
    // What a peer's end brought about says less than why it ended.
    if (outcomes[rank].code() != absl::StatusCode::kUnavailable)
      AUTOTP_RETURN_IF_ERROR(
          Annotate(outcomes[rank], absl::StrCat("rank ", rank)));
  }
  for (const absl::Status& outcome : outcomes) AUTOTP_RETURN_IF_ERROR(outcome);
  return absl::OkStatus();
}

NamedNumbers RandomWeights(const v1::Program& program, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, 0.1f);
  NamedNumbers weights;
  for (const v1::Parameter& parameter : program.parameters()) {
    std::vector<float> numbers(Count(parameter.shape()));
    for (float& number : numbers) number = normal(random);
    weights[parameter.name()] = std::move(numbers);
  }
  return weights;
}

InputBytes RandomColumns(const v1::Program& program, int64_t vocabulary,
                         uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  InputBytes inputs;
  for (const int id : program.inputs()) {
    const v1::Value& value = program.values(id);
    const bool is_label = absl::EndsWith(value.name(), "labels");
    const bool is_token = is_label || absl::EndsWith(value.name(), "input_ids");
    std::vector<char> bytes;
    for (int64_t i = 0; i < Count(value.shape()); ++i) {
      if (value.kind() == v1::Value::KIND_BOOL) {
        Append<char>(bytes, 1);
      } else if (value.kind() != v1::Value::KIND_INDEX) {
        Append<float>(bytes, normal(random));
      } else if (is_token) {
        const auto token = static_cast<int64_t>(random() % vocabulary);
        Append<int64_t>(bytes, is_label && random() % 8 == 0 ? -100 : token);
      } else {
        Append<int64_t>(bytes, 1);
      }
    }
    inputs.push_back(std::move(bytes));
  }
  return inputs;
}

absl::StatusOr<GroupResult> RunRanks(const std::vector<v1::Program>& ranks,
                                     const NamedNumbers& weights,
                                     const InputBytes& inputs) {
  const int size = static_cast<int>(ranks.size());
  std::vector<RankResult> results(ranks.size());
  AUTOTP_RETURN_IF_ERROR(OnRanks(
      size, [&](int rank, collective::Communicator* group) -> absl::Status {
        AUTOTP_ASSIGN_OR_RETURN(results[rank],
                                RunRank(ranks[rank], group, weights, inputs));
        return absl::OkStatus();
      }));
  GroupResult result;
  result.loss = results[0].loss;
  for (int p = 0; p < ranks[0].parameters_size(); ++p) {
    const v1::Parameter& first = ranks[0].parameters(p);
    if (first.frozen()) continue;
    std::vector<float> whole(Count(first.shape()));
    std::vector<int> owners(whole.size());
    for (int rank = 0; rank < size; ++rank) {
      const v1::Parameter& parameter = ranks[rank].parameters(p);
      const std::vector<float>& mine = results[rank].gradients[p];
      if (parameter.cut_dim() < 0 && !parameter.partial_gradient() &&
          rank > 0) {
        if (Distance(whole, mine) > 1e-4 * (Norm(whole) + 1e-4)) {
          return absl::InvalidArgumentError(absl::StrCat(
              "rank ", rank, " has another gradient of ", first.name(),
              " than rank 0, by ", Distance(whole, mine), " of ", Norm(whole)));
        }
        continue;
      }
      VisitPart(parameter, [&](int64_t to, int64_t from) {
        whole.at(to) += mine.at(from);
        ++owners.at(to);
      });
    }
    const bool shared = first.cut_dim() < 0 || first.partial_gradient();
    if (!shared && std::any_of(owners.begin(), owners.end(),
                               [](int count) { return count != 1; })) {
      return absl::InvalidArgumentError(
          absl::StrCat(first.name(), " is not owned exactly once"));
    }
    result.gradients[first.name()] = std::move(whole);
  }
  return result;
}

Difference Compare(const GroupResult& got, const GroupResult& want) {
  Difference worst;
  worst.loss =
      std::abs(got.loss - want.loss) / std::max(1.0, std::abs(want.loss));
  double scale = 0;
  for (const auto& [name, gradient] : want.gradients)
    scale = std::max(scale, Norm(gradient));
  for (const auto& [name, gradient] : want.gradients) {
    const auto found = got.gradients.find(name);
    const double distance =
        found == got.gradients.end() || found->second.size() != gradient.size()
            ? INFINITY
            : Distance(found->second, gradient) /
                  (Norm(gradient) + 1e-4 * scale);
    if (distance <= worst.gradient) continue;  // a NaN is the worst
    worst.gradient = distance;
    worst.parameter = name;
  }
  return worst;
}

}  // namespace autotp::testing
