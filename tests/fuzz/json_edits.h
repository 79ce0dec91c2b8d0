// json_edits.h -- changes of a JSON tree that stay JSON, so that a reader gets
// past its syntax.
#ifndef AUTOTP_TESTS_FUZZ_JSON_EDITS_H_
#define AUTOTP_TESTS_FUZZ_JSON_EDITS_H_

#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

namespace autotp::testing {

// One change somewhere in the tree: a value replaced by a neighbouring number,
// by what stands in a like place, by anything else of the tree or by one of
// `values`; an entry left out, doubled or moved; or one number replaced by
// another all over the tree, as a width that is changed everywhere. Pure, but
// for the random numbers drawn.
void EditJson(const std::vector<nlohmann::json>& values, nlohmann::json& root,
              std::mt19937_64& random);

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_FUZZ_JSON_EDITS_H_
