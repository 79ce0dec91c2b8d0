// tune_text.h -- `autotp plan --autotune`: its flags, and its answer for
// people and for scripts. Pure.
#ifndef AUTOTP_CLIENT_CLI_TUNE_TEXT_H_
#define AUTOTP_CLIENT_CLI_TUNE_TEXT_H_

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "autotp/v1/tune.pb.h"
#include "client/cli/text_style.h"
#include "nlohmann/json.hpp"

namespace autotp::cli {

struct TuneFlags {
  bool autotune = false;
  double memory_limit = 0;           // GiB; 0: none
  std::vector<std::string> assumed;  // "flops=4e14"
};

void AddTuneFlags(CLI::App& command, TuneFlags& flags);

// INVALID_ARGUMENT naming the assumption that is wrong.
absl::StatusOr<v1::TuneRequest> ToTuneRequest(const TuneFlags& flags);

std::string TuneText(const v1::TuneResult& result, const TextStyle& style);
nlohmann::ordered_json TuneJson(const v1::TuneResult& result);

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_TUNE_TEXT_H_
