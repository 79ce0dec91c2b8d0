// subprocess.h -- a real process under a test's control.
//
// Its standard output and error go to files; it is killed when the object
// goes, so no test leaves a process behind.
#ifndef AUTOTP_TESTS_SUPPORT_SUBPROCESS_H_
#define AUTOTP_TESTS_SUPPORT_SUBPROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace autotp::testing {

struct ExitStatus {
  int code = -1;   // if it exited
  int signal = 0;  // if a signal ended it
  std::string output;
  std::string errors;
};

class Subprocess {
 public:
  // Starts argv[0] with the given arguments, environment inherited.
  explicit Subprocess(std::vector<std::string> argv);
  ~Subprocess();  // SIGKILL, unless it has ended
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int signal);
  bool Running();
  // What it has printed so far.
  std::string Output() const;
  std::string Errors() const;
  // DEADLINE_EXCEEDED after `timeout`, with the process left running.
  absl::StatusOr<ExitStatus> Wait(absl::Duration timeout);

 private:
  bool Reap(bool block);

  pid_t pid_ = -1;
  bool ended_ = false;
  int wait_status_ = 0;
  std::string output_path_;
  std::string errors_path_;
};

// Runs to the end; the process is killed at the deadline.
absl::StatusOr<ExitStatus> RunCommand(std::vector<std::string> argv,
                                      absl::Duration timeout);

// A program of this build: $AUTOTP_BIN_DIR/name.
std::string ProgramPath(const std::string& name);
// A file of the source tree: $AUTOTP_SOURCE_DIR/name.
std::string SourcePath(const std::string& name);
std::string ReadFileOrEmpty(const std::string& path);

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_SUPPORT_SUBPROCESS_H_
