#include "coordinator/planner/digest.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <xxhash.h>

#include <vector>

#include "absl/strings/str_format.h"

namespace autotp::planner {
namespace {

// Bytes of messages as they would stand in one that holds them.
class Hash {
 public:
  Hash() : state_(XXH3_createState()) { XXH3_128bits_reset(state_); }
  ~Hash() { XXH3_freeState(state_); }
  Hash(const Hash&) = delete;
  Hash& operator=(const Hash&) = delete;

  void AddField(int number, const google::protobuf::MessageLite& message) {
    bytes_.clear();
    {
      google::protobuf::io::StringOutputStream stream(&bytes_);
      google::protobuf::io::CodedOutputStream coded(&stream);
      coded.SetSerializationDeterministic(true);
      coded.WriteVarint32(static_cast<uint32_t>(number) << 3 |
                          kLengthDelimited);
      coded.WriteVarint64(message.ByteSizeLong());
      message.SerializeToCodedStream(&coded);
    }
    XXH3_128bits_update(state_, bytes_.data(), bytes_.size());
  }

  std::string Hex() const {
    const XXH128_hash_t hash = XXH3_128bits_digest(state_);
    return absl::StrFormat("%016x%016x", hash.high64, hash.low64);
  }

 private:
  static constexpr uint32_t kLengthDelimited = 2;  // wire type

  XXH3_state_t* const state_;
  std::string bytes_;
};

}  // namespace

std::string PlanDigest(v1::PlannedJob* planned) {
  Hash hash;
  v1::Plan layout;
  layout.set_tensor_parallel_size(planned->plan().tensor_parallel_size());
  layout.set_data_parallel_size(planned->plan().data_parallel_size());
  hash.AddField(v1::PlannedJob::kPlanFieldNumber, layout);
  std::vector<v1::TensorSource*> sources;
  for (v1::Program& program : *planned->mutable_local_programs()) {
    sources.clear();
    for (v1::Parameter& parameter : *program.mutable_parameters())
      sources.push_back(parameter.release_source());
    hash.AddField(v1::PlannedJob::kLocalProgramsFieldNumber, program);
    for (size_t i = 0; i < sources.size(); ++i) {
      if (sources[i] == nullptr) continue;
      program.mutable_parameters(static_cast<int>(i))
          ->set_allocated_source(sources[i]);
    }
  }
  return hash.Hex();
}

}  // namespace autotp::planner
