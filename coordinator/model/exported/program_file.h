// program_file.h -- reads what `autotp-import` wrote.
//
// Flow: LoadModel -> ReadProgramFile -> raise.h -> partition/.
//
// Its nodes are ATen operations, and two of ours that no row of them says as
// well: rotary_table and experts (program/operation.h).
//
// Sizes may depend on the micro-batch B and the tokens T of a sequence: an
// integer is a number or {"B": b, "T": t, "BT": c, "1": d}, their sum.
//
// The file is data: nothing in it is executed, every size is bounded, and
// whatever is wrong with it is a finding with its place in the JSON.
#ifndef AUTOTP_COORDINATOR_MODEL_EXPORTED_PROGRAM_FILE_H_
#define AUTOTP_COORDINATOR_MODEL_EXPORTED_PROGRAM_FILE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "coordinator/program/program.h"

namespace autotp::model {

// Beside config.json; the second holds constants, as safetensors.
inline constexpr absl::string_view kProgramFile = "autotp_program.json";
inline constexpr absl::string_view kConstantsFile = "autotp_program.constants";

struct ProgramFile {
  // Of ATen operations, as exported; it has passed CheckProgram.
  program::Program program;
  // Parameters (indices) whose values lie in the file of constants.
  std::vector<size_t> stored;

  std::string origin;  // "LlamaForCausalLM, torch 2.11.0"; may be empty
  std::string model_type;
  std::string base_model_prefix;
  int64_t vocabulary_size = 0;
  int64_t attention_heads = 0;
  int64_t key_value_heads = 0;
  int64_t head_width = 0;
  std::vector<std::pair<std::string, std::string>> tp_plan;
};

// What a program is wanted for.
struct ProgramSizes {
  int64_t micro_batch = 1;
  int64_t sequence_length = 2;
};

// Findings: MODEL_FILE_UNREADABLE, MODEL_JSON_INVALID, MODEL_PROGRAM_INVALID;
// MODEL_IMPORT_SIZE where it is not for these sizes.
absl::StatusOr<ProgramFile> ReadProgramFile(const std::string& path,
                                            const ProgramSizes& sizes);

// The same of a text; `path` is for messages.
absl::StatusOr<ProgramFile> ParseProgramFile(const std::string& path,
                                             absl::string_view text,
                                             const ProgramSizes& sizes);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_EXPORTED_PROGRAM_FILE_H_
