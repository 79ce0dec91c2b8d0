// run_program.h -- runs a program that anybody may have written as a worker
// would, alone.
#ifndef AUTOTP_TESTS_FUZZ_RUN_PROGRAM_H_
#define AUTOTP_TESTS_FUZZ_RUN_PROGRAM_H_

#include "autotp/v1/program.pb.h"
#include "worker/collective/communicator.h"

namespace autotp::testing {

struct RunOutcome {
  bool compiled = false;
  bool ran = false;  // forward and backward, to a loss
};

// Compiles it and, if what it states is small, runs it on weights of 0.5 and
// inputs of ones. Expects that a refusal says why, that nothing beyond the list
// is called, and that memory for what it states is enough. `group`: null for a
// world of one.
RunOutcome CompileAndRun(const v1::Program& program,
                         collective::Communicator* group = nullptr);

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_FUZZ_RUN_PROGRAM_H_
