// check_program.h -- is what came in a task a program that can be run?
//
// Flow: Train(), before it reads anything of a program, and Compile() ->
// CheckLocalProgram().
//
// A worker runs what reaches its socket, so it takes no coordinator's word for
// it: the contract's own rules (coordinator/program) are asked again. What
// depends on the group is checked where the operation is made, what depends on
// data where it is read.
//
// Pure.
#ifndef AUTOTP_WORKER_RUNTIME_CHECK_PROGRAM_H_
#define AUTOTP_WORKER_RUNTIME_CHECK_PROGRAM_H_

#include "absl/status/status.h"
#include "autotp/v1/program.pb.h"

namespace autotp::runtime {

// INVALID_ARGUMENT naming the node, value or parameter: what CheckProgram of
// coordinator/program/program.h refuses, or a loss that is no number.
absl::Status CheckLocalProgram(const v1::Program& program);

}  // namespace autotp::runtime

#endif  // AUTOTP_WORKER_RUNTIME_CHECK_PROGRAM_H_
