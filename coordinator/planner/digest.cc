#include "coordinator/planner/digest.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <xxhash.h>

#include "absl/strings/str_format.h"

namespace autotp::planner {
namespace {

void AppendDeterministic(const google::protobuf::Message& message,
                         std::string* bytes) {
  google::protobuf::io::StringOutputStream stream(bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
}

}  // namespace

std::string PlanDigest(const v1::PlannedJob& planned) {
  v1::PlannedJob hashed;
  hashed.mutable_plan()->set_tensor_parallel_size(
      planned.plan().tensor_parallel_size());
  hashed.mutable_plan()->set_data_parallel_size(
      planned.plan().data_parallel_size());
  *hashed.mutable_local_programs() = planned.local_programs();
  for (v1::Program& program : *hashed.mutable_local_programs()) {
    for (v1::Parameter& parameter : *program.mutable_parameters()) {
      parameter.clear_source();
    }
  }
  std::string bytes;
  AppendDeterministic(hashed, &bytes);
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return absl::StrFormat("%016x%016x", hash.high64, hash.low64);
}

}  // namespace autotp::planner
