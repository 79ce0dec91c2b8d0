// program_edits.h -- changes that somebody who means harm would make to a
// program on the wire.
//
// Pure, but for the random numbers that are drawn.
#ifndef AUTOTP_TESTS_FUZZ_PROGRAM_EDITS_H_
#define AUTOTP_TESTS_FUZZ_PROGRAM_EDITS_H_

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "autotp/v1/program.pb.h"

namespace autotp::testing {

using Random = std::mt19937_64;

template <typename T>
const T& AnyOf(const std::vector<T>& list, Random& random) {
  return list[random() % list.size()];
}

// Small ones mostly, else those at which sizes and counts break.
int64_t AnyInteger(Random& random);
double AnyNumber(Random& random);
std::string AnyText(Random& random);
// A value of any type.
void SetAny(v1::Attribute& attribute, Random& random);

// One change: of a node's operation, ids or attributes, of a value, of a
// parameter, of the inputs, the loss or the order. `operations`: names to take
// one from. REQUIRES: there are nodes and values.
void EditProgram(const std::vector<std::string>& operations,
                 v1::Program& program, Random& random);

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_FUZZ_PROGRAM_EDITS_H_
