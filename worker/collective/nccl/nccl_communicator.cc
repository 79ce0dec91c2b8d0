#include "worker/collective/nccl/nccl_communicator.h"

#include <dlfcn.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/support/check.h"
#include "proto/support/status_macros.h"
#include "worker/collective/arguments.h"
#include "worker/collective/inline_work.h"
#include "worker/collective/nccl/nccl_api.h"
#include "worker/collective/nccl/nccl_group.h"
#include "worker/collective/plugin.h"
#include "worker/cuda/device_api.h"

namespace autotp::collective {
namespace {

ncclDataType_t NcclType(ElementType type) {
  switch (type) {
    case ElementType::kFloat32:
      return ncclFloat32;
    case ElementType::kBFloat16:
      return ncclBfloat16;
    case ElementType::kFloat16:
      return ncclFloat16;
    case ElementType::kFloat64:
      return ncclFloat64;
    case ElementType::kInt64:
      return ncclInt64;
    case ElementType::kByte:
      return ncclUint8;
  }
  AUTOTP_CHECK(false, "element type ", static_cast<int>(type));
}

ncclRedOp_t NcclOp(Reduction op) {
  return op == Reduction::kSum ? ncclSum : ncclMax;
}

class NcclWork final : public Work {
 public:
  // The group outlives its works.
  NcclWork(NcclGroup& group, DeviceEvent done)
      : group_(group), done_(std::move(done)) {}

  absl::Status Wait() override {
    const AutotpDeviceApi* device = group_.device();
    const int code = device->wait(device->current_stream(), done_.get());
    if (code != 0) {
      group_.Abort(absl::StrCat("cannot wait for a collective: ",
                                device->error_text(code)));
    }
    return group_.status();
  }

 private:
  NcclGroup& group_;
  const DeviceEvent done_;
};

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(std::unique_ptr<NcclGroup> group, int rank, int size,
                   void* scratch)
      : group_(std::move(group)), rank_(rank), size_(size), scratch_(scratch) {}
  ~NcclCommunicator() override {
    const AutotpDeviceApi* device = group_->device();
    group_.reset();  // ends what may still write there
    device->release(scratch_);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::string Describe() const override {
    return absl::StrCat("NCCL, rank ", rank_, " of ", size_);
  }

  std::unique_ptr<Work> AllReduce(Buffer buffer, Reduction op) override {
    return Start(CheckReducible(buffer), buffer.count,
                 [&](ncclComm_t comm, cudaStream_t stream) {
                   return group_->nccl().all_reduce(
                       buffer.data, buffer.data, buffer.count,
                       NcclType(buffer.type), NcclOp(op), comm, stream);
                 });
  }
  std::unique_ptr<Work> ReduceScatter(Buffer whole, Buffer part,
                                      Reduction op) override {
    absl::Status bad = CheckReducible(whole);
    if (bad.ok()) bad = CheckParts(whole, part, size_);
    return Start(bad, part.count, [&](ncclComm_t comm, cudaStream_t stream) {
      return group_->nccl().reduce_scatter(whole.data, part.data, part.count,
                                           NcclType(part.type), NcclOp(op),
                                           comm, stream);
    });
  }
  std::unique_ptr<Work> AllGather(Buffer part, Buffer whole) override {
    return Start(CheckParts(whole, part, size_), part.count,
                 [&](ncclComm_t comm, cudaStream_t stream) {
                   return group_->nccl().all_gather(
                       part.data, whole.data, part.count, NcclType(part.type),
                       comm, stream);
                 });
  }
  std::unique_ptr<Work> Broadcast(Buffer buffer, int root) override {
    return Start(CheckRoot(root, size_), buffer.count,
                 [&](ncclComm_t comm, cudaStream_t stream) {
                   return group_->nccl().broadcast(
                       buffer.data, buffer.data, buffer.count,
                       NcclType(buffer.type), root, comm, stream);
                 });
  }
  absl::Status Barrier() override {
    AUTOTP_ASSIGN_OR_RETURN(
        const DeviceEvent done,
        group_->Start([&](ncclComm_t comm, cudaStream_t stream) {
          return group_->nccl().all_reduce(scratch_, scratch_, 1, ncclUint8,
                                           ncclMax, comm, stream);
        }));
    return group_->WaitFor(done);
  }
  absl::Status Health() override { return group_->status(); }
  void Abort(const std::string& reason) override { group_->Abort(reason); }

  NcclGroup& group() { return *group_; }

 private:
  std::unique_ptr<Work> Start(const absl::Status& bad, int64_t count,
                              const NcclGroup::Call& call) {
    if (!bad.ok()) return Done(bad);
    if (count == 0) return Done(group_->status());
    absl::StatusOr<DeviceEvent> done = group_->Start(call);
    if (!done.ok()) return Done(done.status());
    return std::make_unique<NcclWork>(*group_, *std::move(done));
  }

  std::unique_ptr<NcclGroup> group_;
  const int rank_;
  const int size_;
  void* const scratch_;  // one byte on the device, for Barrier()
};

absl::StatusOr<const AutotpDeviceApi*> LoadDevice(
    const std::string& plugin_directory) {
  AUTOTP_ASSIGN_OR_RETURN(
      void* symbol,
      LoadPlugin(PluginPath(plugin_directory, "libautotp_cuda.so"),
                 RTLD_NOW | RTLD_LOCAL, "autotp_device_api"));
  const AutotpDeviceApi* api =
      reinterpret_cast<AutotpDeviceApiFunction*>(symbol)();
  if (api->version != kAutotpDeviceVersion) {
    return absl::UnimplementedError(absl::StrCat(
        "libautotp_cuda.so has version ", api->version, ", this program needs ",
        kAutotpDeviceVersion, "; install both from one build"));
  }
  return api;
}

absl::StatusOr<ncclUniqueId> ShareId(const NcclApi& nccl, int rank,
                                     const std::string& key, KeyStore& keys,
                                     absl::Duration timeout) {
  const std::string name = absl::StrCat(key, "/nccl");
  ncclUniqueId id{};
  if (rank == 0) {
    const ncclResult_t result = nccl.get_unique_id(&id);
    if (result != ncclSuccess) {
      return absl::UnavailableError(
          absl::StrCat("NCCL gives no id: ", nccl.get_error_string(result),
                       "; see the log of rank 0 with NCCL_DEBUG=INFO"));
    }
    AUTOTP_RETURN_IF_ERROR(
        keys.Set(name, std::string(id.internal, sizeof(id.internal))));
    return id;
  }
  AUTOTP_ASSIGN_OR_RETURN(const std::string value, keys.Get(name, timeout));
  if (value.size() != sizeof(id.internal)) {
    return absl::InternalError(absl::StrCat("NCCL's id at ", name, " has ",
                                            value.size(), " bytes, not ",
                                            sizeof(id.internal)));
  }
  std::memcpy(id.internal, value.data(), value.size());
  return id;
}

absl::StatusOr<std::unique_ptr<NcclGroup>> FormGroup(
    int rank, int size, const std::string& key, KeyStore& keys,
    const GroupOptions& options) {
  AUTOTP_ASSIGN_OR_RETURN(const AutotpDeviceApi* device,
                          LoadDevice(options.plugin_directory));
  AUTOTP_ASSIGN_OR_RETURN(const NcclApi nccl, LoadNccl(options.nccl_library));
  const absl::Time deadline = absl::Now() + options.form_timeout;
  AUTOTP_ASSIGN_OR_RETURN(const ncclUniqueId id,
                          ShareId(nccl, rank, key, keys, options.form_timeout));
  return NcclGroup::Form(
      nccl, device,
      [&](ncclComm_t* comm, ncclConfig_t* config) {
        return nccl.init_rank(comm, size, id, rank, config);
      },
      deadline - absl::Now(), options.call_timeout);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Communicator>> CreateNcclCommunicator(
    int rank, int size, int color, const std::string& key, KeyStore& keys,
    const GroupOptions& options) {
  auto* parent = dynamic_cast<NcclCommunicator*>(options.parent);
  AUTOTP_ASSIGN_OR_RETURN(
      std::unique_ptr<NcclGroup> group,
      parent == nullptr
          ? FormGroup(rank, size, key, keys, options)
          : parent->group().Split(color, rank, options.form_timeout));
  void* scratch = nullptr;
  const int code = group->device()->allocate(&scratch, 1);
  if (code != 0) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "no memory left on the device: ", group->device()->error_text(code)));
  }
  return std::make_unique<NcclCommunicator>(std::move(group), rank, size,
                                            scratch);
}

}  // namespace autotp::collective
