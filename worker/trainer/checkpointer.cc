#include "worker/trainer/checkpointer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "proto/support/status_macros.h"
#include "worker/checkpoint/manifest.h"
#include "worker/checkpoint/part.h"
#include "worker/runtime/parallel.h"
#include "worker/trainer/failure_reason.h"
#include "worker/zero/rounding.h"

namespace autotp::trainer {
namespace {

// How long rank 0 waits for the other ranks' parts, and how often it asks.
constexpr absl::Duration kPartsDeadline = absl::Minutes(30);
constexpr absl::Duration kFirstPause = absl::Milliseconds(5);
constexpr absl::Duration kLongestPause = absl::Milliseconds(250);

constexpr int64_t kGrain = 64 << 10;

v1::ParameterRecord RecordOf(const v1::Parameter& parameter) {
  v1::ParameterRecord record;
  record.set_name(parameter.name());
  *record.mutable_shape() = parameter.shape();
  record.set_cut_dim(parameter.cut_dim());
  *record.mutable_aliases() = parameter.aliases();
  if (parameter.cut_dim() >= 0)
    *record.add_ranks()->mutable_intervals() = parameter.intervals();
  const v1::TensorSource& source = parameter.source();
  const bool renamed =
      !source.tensor().empty() && source.tensor() != parameter.name();
  if (renamed || !source.shape().empty()) {
    *record.mutable_source() = source;
    record.mutable_source()->clear_file();
  }
  return record;
}

// Every rank's string, in rank order.
absl::StatusOr<std::vector<std::string>> Gather(
    const std::string& own, collective::Communicator* group) {
  if (group == nullptr) return std::vector<std::string>{own};
  int64_t longest = static_cast<int64_t>(own.size());
  AUTOTP_RETURN_IF_ERROR(
      group
          ->AllReduce({&longest, 1, collective::ElementType::kInt64},
                      collective::Reduction::kMax)
          ->Wait());
  const int64_t part = longest + static_cast<int64_t>(sizeof(int64_t));
  std::string sent(static_cast<size_t>(part), '\0');
  const int64_t length = static_cast<int64_t>(own.size());
  std::copy_n(reinterpret_cast<const char*>(&length), sizeof(length),
              sent.data());
  std::copy(own.begin(), own.end(), sent.begin() + sizeof(length));
  std::string all(static_cast<size_t>(part * group->size()), '\0');
  AUTOTP_RETURN_IF_ERROR(
      group
          ->AllGather({sent.data(), part, collective::ElementType::kByte},
                      {all.data(), part * group->size(),
                       collective::ElementType::kByte})
          ->Wait());
  std::vector<std::string> out;
  for (int rank = 0; rank < group->size(); ++rank) {
    const char* at = all.data() + rank * part;
    int64_t size = 0;
    std::copy_n(at, sizeof(size), reinterpret_cast<char*>(&size));
    out.emplace_back(at + sizeof(size), static_cast<size_t>(size));
  }
  return out;
}

}  // namespace

absl::StatusOr<v1::Manifest> MakeManifest(const v1::TrainerTask& task,
                                          collective::Communicator* tensor) {
  v1::Manifest manifest;
  manifest.set_format_version(checkpoint::kManifestVersion);
  manifest.set_job(task.job());
  manifest.set_attempt(task.attempt());
  manifest.set_group_epoch(task.group_epoch());
  manifest.set_tensor_parallel_size(task.tensor_parallel_size());
  manifest.set_data_parallel_size(task.world_size() /
                                  task.tensor_parallel_size());
  manifest.set_zero_stage(task.config().zero_stage());
  manifest.set_plan_digest(task.plan_digest());
  manifest.set_seed(task.seed());
  manifest.set_trained_dtype(task.config().compute_dtype());
  manifest.mutable_training_state()->set_optimizer(
      task.config().optimizer().kind());
  *manifest.mutable_export_() = task.export_();
  manifest.mutable_export_()->clear_path();
  for (const v1::Parameter& parameter : task.program().parameters())
    *manifest.add_parameters() = RecordOf(parameter);

  AUTOTP_ASSIGN_OR_RETURN(const std::vector<std::string> ranks,
                          Gather(manifest.SerializeAsString(), tensor));
  for (v1::ParameterRecord& record : *manifest.mutable_parameters())
    record.clear_ranks();
  for (const std::string& bytes : ranks) {
    v1::Manifest other;
    if (!other.ParseFromString(bytes) ||
        other.parameters_size() != manifest.parameters_size()) {
      return absl::InternalError(
          "the ranks of a tensor-parallel group have different programs");
    }
    for (int i = 0; i < other.parameters_size(); ++i) {
      for (v1::IntervalList& list :
           *other.mutable_parameters(i)->mutable_ranks())
        manifest.mutable_parameters(i)->add_ranks()->Swap(&list);
    }
  }
  return manifest;
}

Checkpointer::Checkpointer(const v1::TrainerTask& task, TrainerHost& host,
                           zero::FlatState& state, v1::Manifest manifest)
    : task_(task), host_(host), state_(state), manifest_(std::move(manifest)) {}

Checkpointer::~Checkpointer() {
  if (thread_.joinable()) thread_.join();
}

absl::Status Checkpointer::Save(const Position& position, Source source) {
  AUTOTP_RETURN_IF_ERROR(Finish());
  // What a part holds: fp32 numbers, read where they lie or copied.
  struct Saved {
    checkpoint::Piece piece;
    zero::Numbers numbers;
    bool copied;
  };
  std::vector<Saved> sources;
  int64_t copied = 0;
  const auto add = [&](const zero::OwnedPiece& owned, absl::string_view name,
                       zero::Numbers numbers) {
    const bool copy = source == Source::kCopy || !numbers.is_float();
    if (copy) copied += owned.range.size();
    sources.push_back({{std::string(name),
                        task_.program().parameters(owned.parameter).name(),
                        {owned.range.begin, owned.range.end},
                        copy ? nullptr : numbers.floats()},
                       numbers,
                       copy});
  };
  for (const zero::OwnedPiece& owned : state_.OwnedPieces()) {
    add(owned, checkpoint::kWeight, owned.weights);
    for (const zero::OwnedPiece::State& state : owned.states)
      add(owned, state.name, state.numbers);
  }
  copy_.resize(static_cast<size_t>(copied));
  std::vector<checkpoint::Piece> pieces;
  float* to = copy_.data();
  for (Saved& from : sources) {
    const int64_t size = from.piece.range.size();
    if (from.copied) {
      runtime::ParallelFor(size, kGrain, [&](int64_t begin, int64_t end) {
        zero::Widen(from.numbers.At(begin).data, end - begin, from.numbers.type,
                    to + begin);
      });
      from.piece.values = to;
      to += size;
    }
    pieces.push_back(std::move(from.piece));
  }
  saved_step_ = position.step;
  ended_ = false;
  thread_ = std::thread([this, position, pieces = std::move(pieces)] {
    status_ = Write(position, pieces);
    ended_ = true;
  });
  return absl::OkStatus();
}

absl::Status Checkpointer::Poll() {
  return ended_ ? Finish() : absl::OkStatus();
}

absl::Status Checkpointer::Finish() {
  if (thread_.joinable()) thread_.join();
  ended_ = false;
  std::vector<float>().swap(copy_);
  return status_;
}

absl::Status Checkpointer::Write(const Position& position,
                                 const std::vector<checkpoint::Piece>& pieces) {
  const std::string what =
      absl::StrCat("saving the checkpoint of step ", position.step);
  absl::StatusOr<v1::BeginCheckpointResponse> begun =
      host_.BeginCheckpoint(position.step);
  if (!begun.ok()) return Annotate(begun.status(), what);
  absl::StatusOr<v1::Part> part =
      checkpoint::WritePart(begun->path(), task_.rank(), pieces);
  if (!part.ok()) {
    return WithReason(Annotate(part.status(), what),
                      v1::FAILURE_REASON_STORAGE);
  }
  v1::ReportPartRequest report;
  report.set_checkpoint(begun->checkpoint());
  report.set_rank(task_.rank());
  *report.mutable_part() = *std::move(part);
  if (task_.rank() != 0)
    return Annotate(host_.ReportPart(report).status(), what);
  return Annotate(
      Commit(position, begun->checkpoint(), begun->path(), std::move(report)),
      what);
}

absl::Status Checkpointer::Commit(const Position& position,
                                  const std::string& checkpoint,
                                  const std::string& folder,
                                  v1::ReportPartRequest report) {
  const absl::Time deadline = absl::Now() + kPartsDeadline;
  absl::Duration pause = kFirstPause;
  v1::ReportPartResponse answer;
  while (true) {
    AUTOTP_ASSIGN_OR_RETURN(answer, host_.ReportPart(report));
    if (answer.complete()) break;
    if (absl::Now() > deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat("some ranks' parts were not written in ",
                       absl::FormatDuration(kPartsDeadline)));
    }
    absl::SleepFor(pause);
    pause = std::min(2 * pause, kLongestPause);
  }
  v1::Manifest manifest = manifest_;
  manifest.set_step(position.step);
  manifest.set_tokens(position.tokens);
  manifest.set_sequences_consumed(position.sequences_consumed);
  manifest.mutable_training_state()->MergeFrom(position.state);
  *manifest.mutable_parts() = answer.parts();
  absl::StatusOr<checkpoint::WrittenManifest> written =
      checkpoint::WriteManifest(folder, manifest);
  if (!written.ok())
    return WithReason(written.status(), v1::FAILURE_REASON_STORAGE);
  v1::CommitCheckpointRequest commit;
  commit.set_checkpoint(checkpoint);
  commit.set_manifest_digest(written->digest);
  commit.set_size_bytes(written->size_bytes);
  AUTOTP_RETURN_IF_ERROR(host_.CommitCheckpoint(commit));
  manifest_path_ = written->path;
  return absl::OkStatus();
}

}  // namespace autotp::trainer
