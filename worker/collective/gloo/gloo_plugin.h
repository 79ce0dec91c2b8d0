// gloo_plugin.h -- the C table through which Gloo is reached.
//
// LibTorch carries another Gloo that exports the same symbols. So ours lives
// in a shared library of its own, libautotp_gloo.so, loaded with a name space
// of its own (gloo_library.h); only C crosses the border, and no exception.
// Gloo moves bytes here; which bytes, and how they are added up, is decided in
// gloo_communicator.cc.
#ifndef AUTOTP_WORKER_COLLECTIVE_GLOO_GLOO_PLUGIN_H_
#define AUTOTP_WORKER_COLLECTIVE_GLOO_GLOO_PLUGIN_H_

#include <cstddef>
#include <cstdint>

extern "C" {

inline constexpr uint32_t kAutotpGlooVersion = 1;

enum AutotpGlooCode {
  kAutotpGlooOk = 0,
  kAutotpGlooUnavailable = 1,  // a peer is gone or cannot be reached
  kAutotpGlooTimeout = 2,
  kAutotpGlooAborted = 3,
  kAutotpGlooBroken = 4,  // the process has mixed two versions of Gloo
};

// Where a call puts its code and message.
struct AutotpGlooError {
  int code;
  char message[512];
};

// The rendezvous. Functions may wait and are called by the connecting thread.
struct AutotpGlooStore {
  void* context;
  // 0 if it was set.
  int (*set)(void* context, const char* key, const void* value, size_t bytes);
  // Bytes of the value, or -1 if it did not come in time or needs more than
  // `capacity`.
  int64_t (*get)(void* context, const char* key, void* value, size_t capacity,
                 int64_t timeout_ms);
};

// One message to or from `peer`. Sender and receiver name the same slot; a
// slot is used once between two ranks at a time.
struct AutotpGlooTransfer {
  int peer;
  uint64_t slot;
  void* data;
  size_t bytes;
};

struct AutotpGlooMesh;  // connections of one rank to all others

struct AutotpGlooApi {
  uint32_t version;
  // Null on error. `address` is this host's, a name or a number.
  AutotpGlooMesh* (*connect)(int rank, int size, const char* address,
                             const AutotpGlooStore* store, int64_t timeout_ms,
                             AutotpGlooError* error);
  // Does all transfers at once and waits for them. After an error the mesh is
  // closed, and its peers fail too.
  int (*exchange)(AutotpGlooMesh* mesh, const AutotpGlooTransfer* sends,
                  size_t sends_count, const AutotpGlooTransfer* receives,
                  size_t receives_count, int64_t timeout_ms,
                  AutotpGlooError* error);
  // From any thread; ends an exchange under way.
  void (*abort)(AutotpGlooMesh* mesh);
  void (*destroy)(AutotpGlooMesh* mesh);
};

// The one symbol of the library.
using AutotpGlooApiFunction = const AutotpGlooApi*();

}  // extern "C"

#endif  // AUTOTP_WORKER_COLLECTIVE_GLOO_GLOO_PLUGIN_H_
