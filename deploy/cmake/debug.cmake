# cmake -C deploy/cmake/debug.cmake -S . -B build/debug -G Ninja
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
