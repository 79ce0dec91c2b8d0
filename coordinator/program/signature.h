// signature.h -- how many inputs each operation takes, and which attributes.
//
// The formal half of a node's check; shape_rules.h has the other half.
#ifndef AUTOTP_COORDINATOR_PROGRAM_SIGNATURE_H_
#define AUTOTP_COORDINATOR_PROGRAM_SIGNATURE_H_

#include "absl/status/status.h"
#include "coordinator/program/program.h"

namespace autotp::program {

// INVALID_ARGUMENT: too few or too many inputs, a required input absent, an
// attribute missing, unknown, or of another type. Inputs' values are not
// looked at.
absl::Status CheckSignature(const Node& node);

}  // namespace autotp::program

#endif  // AUTOTP_COORDINATOR_PROGRAM_SIGNATURE_H_
