// golden.h -- compares a text with the one that is kept in tests/golden.
//
// With AUTOTP_UPDATE_GOLDEN=1 in the environment the kept text is replaced
// instead; look at the difference before you commit it.
#ifndef AUTOTP_TESTS_SUPPORT_GOLDEN_H_
#define AUTOTP_TESTS_SUPPORT_GOLDEN_H_

#include <string>

namespace autotp::testing {

// A failure of the running test shows the first line that differs.
// `name` is relative to tests/golden: "programs/tiny_llama.txt".
void ExpectGolden(const std::string& name, const std::string& text);

// $AUTOTP_SOURCE_DIR/tests/golden/`name`. A test run by hand, without that
// variable, looks from the folder that it runs in.
std::string GoldenPath(const std::string& name);

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_SUPPORT_GOLDEN_H_
