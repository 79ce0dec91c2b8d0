#include "worker/trainer/groups.h"

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "worker/collective/factory.h"

namespace autotp::trainer {
namespace {

collective::Communicator* UnlessAlone(
    const std::unique_ptr<collective::Communicator>& group) {
  return group != nullptr && group->size() > 1 ? group.get() : nullptr;
}

}  // namespace

void Groups::Abort(const std::string& reason) {
  for (collective::Communicator* group :
       {tensor.get(), data.get(), world.get()}) {
    if (group != nullptr) group->Abort(reason);
  }
}

collective::Communicator* Groups::tensor_or_null() const {
  return UnlessAlone(tensor);
}

collective::Communicator* Groups::data_or_null() const {
  return UnlessAlone(data);
}

absl::StatusOr<Groups> FormGroups(const v1::TrainerTask& task,
                                  TrainerHost& host) {
  Groups groups;
  for (const v1::ProcessGroup& group : task.groups()) {
    std::unique_ptr<collective::Communicator>* place =
        group.name() == "tp"      ? &groups.tensor
        : group.name() == "dp"    ? &groups.data
        : group.name() == "world" ? &groups.world
                                  : nullptr;
    if (place == nullptr) continue;
    collective::GroupOptions options;
    options.memory_descriptor = host.SharedMemory(group.key());
    options.data_address = host.DataAddress();
    absl::StatusOr<std::unique_ptr<collective::Communicator>> made =
        collective::CreateCommunicator(group, task.rank(), host.keys(),
                                       options);
    if (!made.ok()) {
      groups.Abort("a peer could not form its groups");
      return Annotate(made.status(), absl::StrCat("group ", group.key()));
    }
    *place = *std::move(made);
  }
  groups.tensor = collective::Metered(std::move(groups.tensor),
                                      v1::CollectivePlan::GROUP_TENSOR,
                                      groups.traffic.get());
  groups.data =
      collective::Metered(std::move(groups.data),
                          v1::CollectivePlan::GROUP_DATA, groups.traffic.get());
  if (groups.tensor == nullptr || groups.data == nullptr ||
      groups.world == nullptr) {
    return absl::InvalidArgumentError(
        "the task lacks one of the groups tp, dp and world");
  }
  return groups;
}

}  // namespace autotp::trainer
