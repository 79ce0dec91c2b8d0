# cmake -C deploy/cmake/tsan.cmake -S . -B build/tsan -G Ninja
# Neither Debian's gRPC nor LibTorch is instrumented: both stay out.
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "")
set(AUTOTP_SANITIZE thread CACHE STRING "")
set(AUTOTP_BUILD_RPC OFF CACHE BOOL "")
set(AUTOTP_WITH_TORCH OFF CACHE BOOL "")
set(AUTOTP_WITH_CUDA OFF CACHE STRING "")
