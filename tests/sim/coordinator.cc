#include "tests/sim/coordinator.h"

#include "absl/strings/str_cat.h"
#include "proto/support/check.h"

namespace autotp::sim {
namespace {

constexpr absl::Duration kTick = absl::Seconds(1);

}  // namespace

void Coordinator::Start() {
  auto store = store::OpenMemoryStore(disk_, "c1");
  AUTOTP_CHECK(store.ok(), store.status().ToString());
  store_ = *std::move(store);
  const auto rows = store_->ReadAll();
  AUTOTP_CHECK(rows.ok(), rows.status().ToString());
  auto state = core::LoadState(store_->identity(), policy_, *rows,
                               world_.timeline.now());
  if (!state.ok()) {
    world_.Violate(absl::StrCat("loading: ", state.status().message()));
    return;
  }
  world_.Note(absl::StrCat("COORDINATOR of epoch ", state->epoch, " starts"));
  if (durable_) {
    const absl::Status same = CheckReload(*durable_, *state);
    if (!same.ok()) world_.Violate(std::string(same.message()));
    durable_.reset();
  }
  core_.emplace(*std::move(state));
  Observe({}, nullptr);
  TickLater(store_->identity().epoch);
}

void Coordinator::Crash() {
  if (!core_) return;
  world_.Note("COORDINATOR crashes");
  ++num_crashes_;
  durable_ = core_->state();
  core_.reset();
  store_.reset();
}

bool Coordinator::Publish(const core::Effects& effects,
                          const v1::Fence* fence) {
  if (crash_at_next_write_ && !effects.writes.empty()) {
    crash_at_next_write_ = false;
    world_.Note("COORDINATOR crashes before this is durable");
    ++num_crashes_;
    core_.reset();
    store_.reset();
    return false;
  }
  const absl::Status committed = store_->Commit(effects.writes);
  AUTOTP_CHECK(committed.ok(), committed.ToString());
  for (const std::string& line : effects.log_lines) world_.Note("  " + line);
  Observe(effects, fence);
  for (const std::string& folder : effects.removable_folders) {
    world_.manifests.erase(folder);
  }
  for (const std::string& worker : effects.workers) on_assignment(worker);
  return true;
}

void Coordinator::Observe(const core::Effects& effects,
                          const v1::Fence* fence) {
  const absl::Status holds = invariants_.Check(core_->state(), effects, fence);
  if (!holds.ok()) world_.Violate(std::string(holds.message()));
}

void Coordinator::TickLater(int64_t life) {
  world_.timeline.After(kTick, [this, life] {
    if (!core_ || store_->identity().epoch != life) return;
    core::Effects effects;
    core_->Apply(world_.timeline.now(), core::Tick(), effects);
    if (Publish(effects, nullptr)) TickLater(life);
  });
}

void Coordinator::Note(const std::string& call, const std::string& detail,
                       const absl::Status& status, const v1::Fence* fence) {
  std::string who;
  if (fence != nullptr) {
    who = absl::StrCat(" e", fence->coordinator_epoch(), " ", fence->worker(),
                       "/", fence->incarnation());
    if (!fence->job().empty()) {
      absl::StrAppend(&who, " ", fence->job(), " a", fence->attempt(), " g",
                      fence->group_epoch());
    }
  }
  world_.Note(absl::StrCat(call, who, " ", detail, status.ok() ? "" : " -> ",
                           status.ok() ? "" : status.message()));
}

std::string Coordinator::Describe(const v1::ReportTrainerRequest& request) {
  return absl::StrCat("rank ", request.rank(), " ",
                      v1::ReportTrainerRequest::State_Name(request.state()),
                      " ", request.failure().message());
}

std::string Coordinator::Describe(const v1::CancelJobRequest& request) {
  return absl::StrCat(request.name(), " ",
                      v1::CancelJobRequest::Mode_Name(request.mode()));
}

}  // namespace autotp::sim
