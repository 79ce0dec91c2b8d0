// export_spec.h -- how the trained model becomes a Hugging Face folder.
#ifndef AUTOTP_COORDINATOR_PLANNER_EXPORT_SPEC_H_
#define AUTOTP_COORDINATOR_PLANNER_EXPORT_SPEC_H_

#include "autotp/v1/checkpoint.pb.h"
#include "autotp/v1/job.pb.h"
#include "coordinator/model/model.h"

namespace autotp::planner {

// The folder is OUTPUT/model; its weights have the dtype that the run asks
// for, else the one that was trained; its config.json is the model's own but
// for its dtype keys.
v1::ExportSpec MakeExportSpec(const v1::RunSettings& run,
                              v1::DataType trained_dtype,
                              const model::LoadedModel& model);

}  // namespace autotp::planner

#endif  // AUTOTP_COORDINATOR_PLANNER_EXPORT_SPEC_H_
