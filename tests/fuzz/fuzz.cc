#include "tests/fuzz/fuzz.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace autotp::testing {
namespace {

constexpr unsigned kSecondsPerInput = 10;
constexpr uint64_t kRoundsPerLine = 50000;  // of progress, in long hunts
constexpr rlim_t kExtraMemoryBytes = rlim_t{1} << 30;

// What a signal handler may look at.
char round_text[80];
const char* input_data = nullptr;
size_t input_size = 0;

void Write(const char* data, size_t size) {
  // The process ends next; there is nobody to tell of a failed write.
  if (write(STDERR_FILENO, data, size) < 0) return;
}

void ShowInputAndDie(int number) {
  Write(round_text, std::strlen(round_text));
  Write(input_data, input_size);
  Write("\n", 1);
  signal(number, SIG_DFL);
  raise(number);
}

uint64_t Environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;  // maps terabytes that it never touches
#else
constexpr bool kSanitized = false;
#endif

// Of the process's address space, which is more than it uses.
void LimitMemory() {
  if (kSanitized) return;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  unsigned long pages = 0;
  const bool known = file != nullptr && std::fscanf(file, "%lu", &pages) == 1;
  if (file != nullptr) std::fclose(file);
  if (!known) return;
  rlimit limit{};
  limit.rlim_cur = limit.rlim_max =
      pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + kExtraMemoryBytes;
  setrlimit(RLIMIT_AS, &limit);
}

// A place in the text, its end included.
size_t Place(const std::string& text, std::mt19937_64& random) {
  return random() % (text.size() + 1);
}

// A piece of the text; short ones are more likely.
std::string Piece(const std::string& text, std::mt19937_64& random) {
  const size_t begin = Place(text, random);
  const size_t limit = random() % 4 == 0 ? 400 : 16;
  return text.substr(begin, random() % limit);
}

const std::string& AnyOf(const std::vector<std::string>& list,
                         std::mt19937_64& random) {
  return list[random() % list.size()];
}

// Words that break readers of numbers and of text.
const std::vector<std::string>& Traps() {
  static const auto* const traps = new std::vector<std::string>{
      "-1",      "0",    "9223372036854775808", "1e999", "NaN",
      "\\u0000", "\xC3", std::string(1, '\0')};
  return *traps;
}

void Edit(const FuzzOptions& options, std::mt19937_64& random,
          std::string* text) {
  const size_t at = Place(*text, random);
  switch (random() % 8) {
    case 0:
      if (at < text->size()) (*text)[at] = static_cast<char>(random());
      return;
    case 1:
      text->erase(at, random() % 12);
      return;
    case 2:
      text->insert(at, Piece(*text, random));
      return;
    case 3:
      text->insert(at, Piece(AnyOf(options.corpus, random), random));
      return;
    case 4:
      text->insert(at, AnyOf(Traps(), random));
      return;
    case 5:
      if (random() % 8 == 0) text->resize(at);
      return;
    case 6: {
      // The same again and again: deep nesting, long lists.
      const std::string piece = Piece(*text, random).substr(0, 4);
      std::string many;
      for (uint64_t i = random() % 300; i > 0; --i) many += piece;
      text->insert(at, many);
      return;
    }
    default:
      if (!options.tokens.empty()) {
        text->insert(at, AnyOf(options.tokens, random));
      }
  }
}

}  // namespace

std::string Mutated(const FuzzOptions& options, std::mt19937_64& random) {
  std::string text = AnyOf(options.corpus, random);
  for (uint64_t edits = 1 + random() % 4; edits > 0; --edits) {
    Edit(options, random, &text);
  }
  text.resize(std::min(text.size(), options.longest_bytes));
  return text;
}

void Fuzz(const FuzzOptions& options,
          const std::function<void(const std::string&)>& read) {
  ASSERT_TRUE(options.make || !options.corpus.empty());
  const uint64_t seed = Environment("AUTOTP_FUZZ_SEED", options.seed);
  const uint64_t rounds = Environment("AUTOTP_FUZZ_ROUNDS", options.rounds);
  std::mt19937_64 random(seed);
  LimitMemory();
  for (const int number : {SIGSEGV, SIGABRT, SIGFPE, SIGBUS, SIGALRM}) {
    signal(number, ShowInputAndDie);
  }
  for (uint64_t round = 0; round < rounds; ++round) {
    const std::string input =
        options.make ? options.make(random) : Mutated(options, random);
    std::snprintf(round_text, sizeof(round_text),
                  "fuzz: seed %llu round %llu, input:\n",
                  static_cast<unsigned long long>(seed),
                  static_cast<unsigned long long>(round));
    input_data = input.data();
    input_size = input.size();
    alarm(kSecondsPerInput);
    read(input);
    if (::testing::Test::HasFailure()) {
      ADD_FAILURE() << round_text << input;
      break;
    }
    if ((round + 1) % kRoundsPerLine == 0) {
      std::fprintf(stderr, "fuzz: seed %llu, %llu rounds\n",
                   static_cast<unsigned long long>(seed),
                   static_cast<unsigned long long>(round + 1));
    }
  }
  alarm(0);
}

}  // namespace autotp::testing
