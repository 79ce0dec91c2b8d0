#include "coordinator/rpc/create_job.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <xxhash.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "coordinator/engine/checkpoint_folder.h"

namespace autotp::rpc {
namespace {

constexpr size_t kRequestIdMax = 256;
constexpr size_t kSpecBytesMax = 4 << 20;

using Done = std::function<void(absl::StatusOr<v1::Job>)>;

// Of the request without its request_id: the same body, the same digest.
std::string DigestOf(v1::CreateJobRequest request) {
  request.clear_request_id();
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    request.SerializeToCodedStream(&coded);
  }
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return absl::StrFormat("%016x%016x", hash.high64, hash.low64);
}

// Bounds of what is stored for good.
absl::Status ValidateRequest(const v1::CreateJobRequest& request) {
  if (request.request_id().size() > kRequestIdMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("request_id: ", request.request_id().size(),
                     " bytes; at most ", kRequestIdMax));
  }
  if (request.spec().ByteSizeLong() > kSpecBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("spec: ", request.spec().ByteSizeLong(),
                     " bytes; at most ", kSpecBytesMax));
  }
  return absl::OkStatus();
}

std::string DescribeError(const v1::Diagnostic& diagnostic) {
  std::string text;
  if (!diagnostic.file().empty()) {
    text = diagnostic.file();
    if (diagnostic.line() > 0) {
      absl::StrAppend(&text, ":", diagnostic.line(), ":", diagnostic.column());
    }
    absl::StrAppend(&text, ": ");
  }
  if (!diagnostic.json_pointer().empty()) {
    absl::StrAppend(&text, diagnostic.json_pointer(), ": ");
  }
  absl::StrAppend(&text, diagnostic.message());
  if (!diagnostic.suggestion().empty()) {
    absl::StrAppend(&text, "; ", diagnostic.suggestion());
  }
  return text;
}

absl::Status InvalidJob(const planner::PlanResult& result) {
  std::string text = "the job is invalid:";
  for (const v1::Diagnostic& diagnostic : result.diagnostics) {
    if (diagnostic.severity() == v1::Diagnostic::SEVERITY_ERROR) {
      absl::StrAppend(&text, "\n  ", DescribeError(diagnostic));
    }
  }
  return absl::InvalidArgumentError(text);
}

void PlanAndSubmit(const JobMaker& maker, v1::CreateJobRequest request,
                   std::string digest, const Done& done) {
  planner::PlanResult result = maker.make_plan(request.spec(), {});
  if (!result.valid) {
    done(InvalidJob(result));
    return;
  }
  core::Submission submission;
  if (request.spec().checkpoint().resume()) {
    submission.found =
        engine::FindCheckpoints(request.spec().run().output_path());
  }
  submission.request = std::move(request);
  submission.request_digest = std::move(digest);
  submission.uid = maker.new_uid();
  submission.plan =
      std::make_shared<const v1::PlannedJob>(std::move(result.planned));
  maker.engine.Change<v1::Job>(std::move(submission), done);
}

}  // namespace

void CreateJob(const JobMaker& maker, const v1::CreateJobRequest& request,
               Done done) {
  const absl::Status valid = ValidateRequest(request);
  if (!valid.ok()) {
    done(valid);
    return;
  }
  std::string digest = DigestOf(request);
  const absl::Status posted = maker.engine.Ask(
      [&maker, request, digest, done](const engine::View& view) {
        absl::StatusOr<v1::Job> earlier =
            view.core.FindRequest(request, digest);
        if (!absl::IsNotFound(earlier.status())) {
          done(std::move(earlier));
          return;
        }
        const absl::Status queued =
            maker.pool.Post([&maker, request, digest, done] {
              PlanAndSubmit(maker, request, digest, done);
            });
        if (!queued.ok()) done(queued);
      },
      done);
  if (!posted.ok()) done(posted);
}

void ValidateJob(
    const JobMaker& maker, const v1::ValidateJobRequest& request,
    std::function<void(absl::StatusOr<v1::ValidateJobResponse>)> done) {
  const absl::Status queued = maker.pool.Post([&maker, request, done] {
    planner::PlanOptions options;
    // A dry run says what to train where; not yet on what.
    options.check_run_settings = !request.spec().data().path().empty() ||
                                 !request.spec().data().files().empty();
    if (request.has_tune()) options.tune = request.tune();
    planner::PlanResult result = maker.make_plan(request.spec(), options);
    v1::ValidateJobResponse response;
    response.set_valid(result.valid);
    for (v1::Diagnostic& diagnostic : result.diagnostics) {
      *response.add_diagnostics() = std::move(diagnostic);
    }
    response.set_effective_config_json(std::move(result.effective_config_json));
    for (v1::ConfigValue& value : result.effective_values) {
      *response.add_effective_values() = std::move(value);
    }
    *response.mutable_config() = std::move(*result.planned.mutable_config());
    *response.mutable_plan() = std::move(*result.planned.mutable_plan());
    if (result.tuned.has_value())
      *response.mutable_tuned() = *std::move(result.tuned);
    done(std::move(response));
  });
  if (!queued.ok()) done(queued);
}

}  // namespace autotp::rpc
