# FindLibTorch: imported targets for the PyPI torch wheel, without torch's own
# TorchConfig.cmake (which demands the CUDA toolkit and leaks global flags).
#
#   LibTorch_VENV   (cache)  a Python venv holding torch [+ nvidia-cuda-cupti, nvidia-cuda-runtime]
#   LibTorch_ROOT   (cache)  or: the torch package directory itself (has lib/ and include/)
#
#   LibTorch::CPU    libtorch_cpu + libc10
#   LibTorch::CUDA   CPU + libtorch_cuda + libc10_cuda   (only if the files are there)
#
# The wheel's include/ carries old google/protobuf, fmt and pybind11 headers, so
# it goes last in the search order (-idirafter), also for nvcc (through -Xcompiler).
if(DEFINED ENV{AUTOTP_LIBTORCH_VENV})
  set(_libtorch_venv "$ENV{AUTOTP_LIBTORCH_VENV}")
else()  # where deploy/install/libtorch.sh puts it
  set(_libtorch_venv "$ENV{HOME}/.cache/autotp/libtorch-2.11.0")
endif()
set(LibTorch_VENV "${_libtorch_venv}" CACHE PATH "venv that holds the torch wheel")
file(GLOB _libtorch_hint "${LibTorch_VENV}/lib/python3*/site-packages/torch")
find_path(LibTorch_ROOT include/ATen/core/Tensor.h HINTS ${LibTorch_ROOT} ${_libtorch_hint} NO_DEFAULT_PATH)
find_library(LibTorch_CPU_LIBRARY torch_cpu HINTS ${LibTorch_ROOT}/lib NO_DEFAULT_PATH)
find_library(LibTorch_C10_LIBRARY c10 HINTS ${LibTorch_ROOT}/lib NO_DEFAULT_PATH)
find_library(LibTorch_CUDA_LIBRARY torch_cuda HINTS ${LibTorch_ROOT}/lib NO_DEFAULT_PATH)
find_library(LibTorch_C10_CUDA_LIBRARY c10_cuda HINTS ${LibTorch_ROOT}/lib NO_DEFAULT_PATH)
if(EXISTS "${LibTorch_ROOT}/include/torch/headeronly/version.h")
  file(STRINGS "${LibTorch_ROOT}/include/torch/headeronly/version.h" _v REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
elseif(EXISTS "${LibTorch_ROOT}/include/torch/version.h")
  file(STRINGS "${LibTorch_ROOT}/include/torch/version.h" _v REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
endif()
string(REGEX REPLACE "[^0-9;]+" "" _v "${_v}")
list(JOIN _v "." LibTorch_VERSION)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch REQUIRED_VARS LibTorch_ROOT LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY
                                  VERSION_VAR LibTorch_VERSION)
if(LibTorch_FOUND AND NOT TARGET LibTorch::CPU)
  set(_inc "${LibTorch_ROOT}/include")
  add_library(LibTorch::C10 SHARED IMPORTED)
  set_target_properties(LibTorch::C10 PROPERTIES IMPORTED_LOCATION "${LibTorch_C10_LIBRARY}" IMPORTED_NO_SONAME FALSE)
  add_library(LibTorch::CPU SHARED IMPORTED)
  set_target_properties(LibTorch::CPU PROPERTIES IMPORTED_LOCATION "${LibTorch_CPU_LIBRARY}")
  target_compile_options(LibTorch::CPU INTERFACE
    "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-idirafter ${_inc}>"
    "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-idirafter ${_inc}/torch/csrc/api/include>"
    "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-Xcompiler -idirafter,${_inc},-idirafter,${_inc}/torch/csrc/api/include>")
  target_compile_features(LibTorch::CPU INTERFACE cxx_std_20)
  target_link_libraries(LibTorch::CPU INTERFACE LibTorch::C10)
  if(LibTorch_CUDA_LIBRARY AND LibTorch_C10_CUDA_LIBRARY)
    add_library(LibTorch::C10_CUDA SHARED IMPORTED)
    set_target_properties(LibTorch::C10_CUDA PROPERTIES IMPORTED_LOCATION "${LibTorch_C10_CUDA_LIBRARY}")
    add_library(LibTorch::CUDA SHARED IMPORTED)
    set_target_properties(LibTorch::CUDA PROPERTIES IMPORTED_LOCATION "${LibTorch_CUDA_LIBRARY}")
    # Kernels register in static initialisers: keep the NEEDED entry although no symbol is used.
    target_link_options(LibTorch::CUDA INTERFACE "LINKER:--no-as-needed")
    target_link_libraries(LibTorch::CUDA INTERFACE LibTorch::C10_CUDA LibTorch::CPU)
  endif()
endif()
