#include "worker/collective/factory.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/support/status_macros.h"
#include "worker/collective/gloo/gloo_communicator.h"
#include "worker/collective/local_communicator.h"
#ifdef AUTOTP_HAS_NCCL
#include "worker/collective/nccl/nccl_communicator.h"
#endif
#include "worker/collective/shared_communicator.h"
#include "worker/collective/shared_segment.h"

namespace autotp::collective {
namespace {

absl::StatusOr<int> PlaceInGroup(const v1::ProcessGroup& group, int rank) {
  const auto place =
      std::find(group.ranks().begin(), group.ranks().end(), rank);
  if (place == group.ranks().end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("rank ", rank, " is not in the group of ranks ",
                     absl::StrJoin(group.ranks(), ", ")));
  }
  return static_cast<int>(place - group.ranks().begin());
}

absl::StatusOr<std::unique_ptr<Communicator>> CreateShared(
    int place, int size, const GroupOptions& options) {
  if (options.memory_descriptor < 0) {
    return absl::FailedPreconditionError(
        "the worker passed no shared-memory segment for it; run worker and "
        "trainers from one build");
  }
  AUTOTP_ASSIGN_OR_RETURN(std::shared_ptr<SharedSegment> segment,
                          SharedSegment::Map(options.memory_descriptor));
  if (segment->ranks() != size) {
    return absl::FailedPreconditionError(
        absl::StrCat("its shared-memory segment was made for ",
                     segment->ranks(), " ranks, the group has ", size));
  }
  return CreateSharedCommunicator(std::move(segment), place,
                                  options.form_timeout, options.call_timeout);
}

absl::StatusOr<std::unique_ptr<Communicator>> Create(
    const v1::ProcessGroup& group, int rank, KeyStore& keys,
    const GroupOptions& options) {
  AUTOTP_ASSIGN_OR_RETURN(const int place, PlaceInGroup(group, rank));
  const int size = group.ranks_size();
  if (size == 1) return CreateLocalCommunicator();
  switch (group.backend()) {
    case v1::ProcessGroup::BACKEND_LOCAL:
      return absl::InvalidArgumentError(
          absl::StrCat("the local backend serves one rank, not ", size));
    case v1::ProcessGroup::BACKEND_SHARED_MEMORY:
      return CreateShared(place, size, options);
    case v1::ProcessGroup::BACKEND_GLOO:
      return CreateGlooCommunicator(place, size, group.key(), keys, options);
    case v1::ProcessGroup::BACKEND_NCCL:
#ifdef AUTOTP_HAS_NCCL
      return CreateNcclCommunicator(place, size, group.ranks(0), group.key(),
                                    keys, options);
#else
      return absl::UnimplementedError(
          "this build has no NCCL; build where nccl.h is found, or use CPU "
          "slots");
#endif
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("unknown backend ", group.backend()));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Communicator>> CreateCommunicator(
    const v1::ProcessGroup& group, int rank, KeyStore& keys,
    const GroupOptions& options) {
  GroupOptions bounded = options;  // clocks can be added to it
  bounded.form_timeout = std::min(options.form_timeout, absl::Hours(24));
  bounded.call_timeout = std::min(options.call_timeout, absl::Hours(24));
  auto communicator = Create(group, rank, keys, bounded);
  if (communicator.ok()) return communicator;
  return Annotate(communicator.status(),
                  absl::StrCat("cannot form the process group ", group.name(),
                               " (", group.key(), ") as rank ", rank));
}

absl::StatusOr<int> CreateSharedMemory(int ranks) {
  return SharedSegment::Create(ranks);
}

void AbortSharedMemory(int descriptor) {
  SharedSegment::AbortDescriptor(descriptor, "a trainer of it has ended");
}

}  // namespace autotp::collective
