// fuzz.h -- feeds a reader with seeded mutations of inputs that it knows.
//
// Flow: a test gathers a corpus and calls Fuzz() with what reads one input and
// checks it. An input that crashes, takes longer than ten seconds or more
// memory than a gigabyte ends the program with the seed, the round and the
// input on standard error; a failed expectation ends the run with the same.
//
// AUTOTP_FUZZ_SEED and AUTOTP_FUZZ_ROUNDS in the environment replace the
// options', for longer hunts and for repeating one.
#ifndef AUTOTP_TESTS_FUZZ_FUZZ_H_
#define AUTOTP_TESTS_FUZZ_FUZZ_H_

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace autotp::testing {

struct FuzzOptions {
  std::vector<std::string> corpus;  // at least one
  std::vector<std::string> tokens;  // words of the format, to be put anywhere
  int rounds = 4000;
  uint64_t seed = 1;
  size_t longest_bytes = size_t{1} << 16;  // of an input
  // Makes an input in another way than by edits of the corpus.
  std::function<std::string(std::mt19937_64&)> make;
};

void Fuzz(const FuzzOptions& options,
          const std::function<void(const std::string&)>& read);

// One mutated input: a few edits of one element of the corpus. Pure.
std::string Mutated(const FuzzOptions& options, std::mt19937_64& random);

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_FUZZ_FUZZ_H_
