// local_cluster.h -- a private coordinator and worker on this host, for
// `autotp train` and `autotp plan`.
//
// Both are child processes that end with this one, talk over a unix socket in
// a folder of mode 0700, and are not reached by a Ctrl-C of the terminal: the
// client decides what an interrupt means.
#ifndef AUTOTP_CLIENT_CLI_LOCAL_CLUSTER_H_
#define AUTOTP_CLIENT_CLI_LOCAL_CLUSTER_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace autotp::cli {

struct LocalClusterOptions {
  std::string state_folder;  // empty: a temporary one
  std::string log_folder;  // of coordinator.log and worker.log; empty: as above
  int slots = 0;           // 0: no worker
};

class LocalCluster {
 public:
  // Must be called before this process has other threads (it forks).
  // FAILED_PRECONDITION: a program is missing or ended at once, with the last
  // lines of its log.
  static absl::StatusOr<std::unique_ptr<LocalCluster>> Start(
      const LocalClusterOptions& options);
  ~LocalCluster();  // ends both and waits for them
  LocalCluster(const LocalCluster&) = delete;
  LocalCluster& operator=(const LocalCluster&) = delete;

  // Where the coordinator listens, for JobClient.
  const std::string& address() const { return address_; }

 private:
  LocalCluster() = default;
  absl::Status Launch(std::vector<std::string> arguments,
                      const std::string& log);
  absl::Status AwaitSocket(const std::string& path, const std::string& log);

  std::string folder_;  // temporary, removed at the end
  std::string address_;
  std::vector<pid_t> children_;  // in order of start
};

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_LOCAL_CLUSTER_H_
