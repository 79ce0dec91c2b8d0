#include "worker/collective/traffic.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace autotp::collective {
namespace {

using Plan = v1::CollectivePlan;

int64_t BytesOf(const Buffer& buffer) {
  return buffer.count * SizeOf(buffer.type);
}

const char* PhaseName(Traffic::Phase phase) {
  switch (phase) {
    case Traffic::Phase::kForward:
      return "forward";
    case Traffic::Phase::kBackward:
      return "backward";
    case Traffic::Phase::kStep:
      break;
  }
  return "step";
}

const char* KindText(Plan::Kind kind) {
  switch (kind) {
    case Plan::KIND_ALL_REDUCE:
      return "all-reduce";
    case Plan::KIND_ALL_GATHER:
      return "all-gather";
    case Plan::KIND_REDUCE_SCATTER:
      return "reduce-scatter";
    default:
      return "broadcast";
  }
}

class MeteredCommunicator final : public Communicator {
 public:
  MeteredCommunicator(std::unique_ptr<Communicator> group, Plan::Group name,
                      Traffic* traffic)
      : group_(std::move(group)), name_(name), traffic_(*traffic) {}

  int rank() const override { return group_->rank(); }
  int size() const override { return group_->size(); }
  std::string Describe() const override { return group_->Describe(); }

  std::unique_ptr<Work> AllReduce(Buffer buffer, Reduction op) override {
    traffic_.Add(name_, Plan::KIND_ALL_REDUCE, BytesOf(buffer));
    return group_->AllReduce(buffer, op);
  }
  std::unique_ptr<Work> ReduceScatter(Buffer whole, Buffer part,
                                      Reduction op) override {
    traffic_.Add(name_, Plan::KIND_REDUCE_SCATTER, BytesOf(whole));
    return group_->ReduceScatter(whole, part, op);
  }
  std::unique_ptr<Work> AllGather(Buffer part, Buffer whole) override {
    traffic_.Add(name_, Plan::KIND_ALL_GATHER, BytesOf(whole));
    return group_->AllGather(part, whole);
  }
  // No plan has any: it is a kind of its own.
  std::unique_ptr<Work> Broadcast(Buffer buffer, int root) override {
    traffic_.Add(name_, Plan::KIND_UNSPECIFIED, BytesOf(buffer));
    return group_->Broadcast(buffer, root);
  }
  absl::Status Barrier() override { return group_->Barrier(); }
  absl::Status Health() override { return group_->Health(); }
  void Abort(const std::string& reason) override { group_->Abort(reason); }

 private:
  const std::unique_ptr<Communicator> group_;
  const Plan::Group name_;
  Traffic& traffic_;
};

}  // namespace

void Traffic::Add(Plan::Group group, Plan::Kind kind, int64_t bytes) {
  const Phase phase = group == Plan::GROUP_DATA ? Phase::kStep : phase_;
  Sum& sum = sums_[{group, kind, phase}];
  ++sum.calls;
  sum.bytes += bytes;
}

std::vector<Plan> Traffic::Take(int64_t micro_steps) {
  std::vector<Plan> sent;
  for (const auto& [what, sum] : sums_) {
    const auto& [group, kind, phase] = what;
    Plan& plan = sent.emplace_back();
    plan.set_group(group);
    plan.set_kind(kind);
    plan.set_phase(PhaseName(phase));
    plan.set_count(phase == Phase::kStep ? sum.calls : sum.calls / micro_steps);
    plan.set_bytes(sum.bytes);
  }
  sums_.clear();
  return sent;
}

std::string TrafficText(const std::vector<Plan>& sent) {
  std::string text;
  for (const Plan& plan : sent) {
    absl::StrAppend(
        &text, text.empty() ? "" : "; ",
        plan.group() == Plan::GROUP_DATA ? "data group: " : "tensor group: ",
        plan.count(), " ", KindText(plan.kind()), plan.count() == 1 ? "" : "s",
        plan.phase() == "step" ? "" : " each ",
        plan.phase() == "step" ? "" : plan.phase(), ", ", plan.bytes(),
        " bytes");
  }
  return text.empty() ? "nothing" : text;
}

std::unique_ptr<Communicator> Metered(std::unique_ptr<Communicator> group,
                                      Plan::Group name, Traffic* traffic) {
  if (group == nullptr || group->size() == 1) return group;
  return std::make_unique<MeteredCommunicator>(std::move(group), name, traffic);
}

}  // namespace autotp::collective
