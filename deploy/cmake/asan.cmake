# cmake -C deploy/cmake/asan.cmake -S . -B build/asan -G Ninja
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "")
set(AUTOTP_SANITIZE address CACHE STRING "")
set(AUTOTP_WITH_CUDA OFF CACHE STRING "")
