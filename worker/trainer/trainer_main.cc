// trainer_main.cc -- autotp-trainer: the zygote, and the trainers it forks; by
// --export, a checkpoint becomes a model folder (export_command.h).
#include <cstdio>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "proto/support/socket_channel.h"
#include "worker/checkpoint/export_command.h"
#include "worker/trainer/process.h"
#include "worker/trainer/train.h"
#include "worker/trainer/zygote.h"

namespace {

int TrainerMain(autotp::trainer::ForkedTrainer trainer) {
  return autotp::trainer::RunTrainer(std::move(trainer),
                                     &autotp::trainer::Train);
}

int Usage() {
  std::fprintf(stderr,
               "usage: autotp-trainer --zygote --control-fd N\n"
               "started by autotp-worker, not by hand; with --export by "
               "autotp export\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && absl::string_view(argv[1]) == "--export")
    return autotp::checkpoint::RunExport(argc - 2, argv + 2);
  int control = -1;
  bool zygote = false;
  for (int i = 1; i < argc; ++i) {
    const absl::string_view argument = argv[i];
    if (argument == "--zygote") {
      zygote = true;
    } else if (argument == "--control-fd" && i + 1 < argc) {
      if (!absl::SimpleAtoi(argv[++i], &control)) return Usage();
    } else {
      return Usage();
    }
  }
  if (!zygote || control < 0) return Usage();
  return autotp::trainer::RunZygote(autotp::UniqueFd(control), &TrainerMain);
}
