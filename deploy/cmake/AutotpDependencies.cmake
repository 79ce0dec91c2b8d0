# Every library that the project uses, found once, in this file.
# Debian 12 is the reference: where its packaging differs, a comment says how.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(absl REQUIRED CONFIG)
find_package(Protobuf 3.21 REQUIRED)      # CMake's module: Debian ships no config
find_package(nlohmann_json 3.11 REQUIRED CONFIG)
find_package(spdlog REQUIRED CONFIG)
find_package(CLI11 REQUIRED CONFIG)
find_package(SQLite3 REQUIRED)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)        # only a .pc file
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)

if(AUTOTP_BUILD_RPC)
  find_package(gRPC 1.51 REQUIRED CONFIG)
endif()

if(AUTOTP_BUILD_TESTS)
  find_package(GTest REQUIRED CONFIG)
  find_package(benchmark REQUIRED CONFIG)
  include(GoogleTest)
endif()

# Gloo lives in a plug-in of its own: LibTorch exports the same symbols.
find_path(GLOO_INCLUDE_DIR gloo/context.h)
find_library(GLOO_LIBRARY gloo)

if(AUTOTP_WITH_TORCH)
  find_package(LibTorch 2.11 REQUIRED)
endif()

# NCCL is loaded at run time: two headers are enough to compile its use.
find_path(NCCL_INCLUDE_DIR nccl.h HINTS /usr/local/cuda/include)
find_path(CUDA_RUNTIME_INCLUDE_DIR cuda_runtime.h HINTS /usr/local/cuda/include)

set(AUTOTP_CUDA_FOUND OFF)
if(AUTOTP_WITH_TORCH AND NOT AUTOTP_WITH_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  find_program(AUTOTP_NVCC nvcc HINTS /usr/local/cuda/bin)
  find_library(NCCL_LIBRARY nccl HINTS /usr/local/cuda/lib64)
  if(AUTOTP_NVCC AND NCCL_INCLUDE_DIR AND NCCL_LIBRARY AND TARGET LibTorch::CUDA)
    set(AUTOTP_CUDA_FOUND ON)
  elseif(AUTOTP_WITH_CUDA STREQUAL "ON")
    message(FATAL_ERROR "AUTOTP_WITH_CUDA=ON needs nvcc, nccl.h, libnccl and "
                        "the CUDA part of LibTorch")
  endif()
endif()
if(AUTOTP_CUDA_FOUND)
  set(CMAKE_CUDA_COMPILER ${AUTOTP_NVCC} CACHE FILEPATH "nvcc")
  set(CMAKE_CUDA_ARCHITECTURES "80-real;90-real;100-real;100-virtual"
      CACHE STRING "GPUs to build kernels for")
  enable_language(CUDA)
  set(CMAKE_CUDA_STANDARD 20)
  # CMake 3.25 does not know C++20 for nvcc 13.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
  find_package(CUDAToolkit REQUIRED)
endif()

function(autotp_print_summary)
  message(STATUS "AutoTP ${PROJECT_VERSION}, ${CMAKE_BUILD_TYPE}")
  message(STATUS "  compiler        ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}")
  message(STATUS "  linker          ${AUTOTP_LINKER}")
  message(STATUS "  compiler cache  ${AUTOTP_CCACHE}")
  message(STATUS "  gRPC services   ${AUTOTP_BUILD_RPC}")
  message(STATUS "  LibTorch        ${AUTOTP_WITH_TORCH} ${LibTorch_VERSION}")
  message(STATUS "  Gloo            ${GLOO_LIBRARY}")
  message(STATUS "  CUDA and NCCL   ${AUTOTP_CUDA_FOUND} (asked: ${AUTOTP_WITH_CUDA})")
  message(STATUS "  sanitizer       ${AUTOTP_SANITIZE}")
endfunction()
