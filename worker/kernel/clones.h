// clones.h -- AUTOTP_CLONES: a function compiled once per level of x86-64,
// the best one for the machine chosen at load time.
//
// Left out under ThreadSanitizer, which cannot run the resolvers.
#ifndef AUTOTP_WORKER_KERNEL_CLONES_H_
#define AUTOTP_WORKER_KERNEL_CLONES_H_

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define AUTOTP_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define AUTOTP_CLONES
#endif

#endif  // AUTOTP_WORKER_KERNEL_CLONES_H_
