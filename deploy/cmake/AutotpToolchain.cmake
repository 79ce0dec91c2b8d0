# Language level, warnings, compiler cache, linker and sanitizers.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
# All programs land in one folder, so that a program finds its siblings.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)

find_program(AUTOTP_CCACHE ccache)
if(AUTOTP_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${AUTOTP_CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${AUTOTP_CCACHE})
endif()

find_program(AUTOTP_MOLD mold)
find_program(AUTOTP_LLD ld.lld)
if(AUTOTP_MOLD)
  add_link_options(-fuse-ld=mold)
  set(AUTOTP_LINKER mold)
elseif(AUTOTP_LLD)
  add_link_options(-fuse-ld=lld)
  set(AUTOTP_LINKER lld)
else()
  set(AUTOTP_LINKER default)
endif()

# Sanitizers are global: one uninstrumented library would hide the rest. What
# they find ends the process, so that a test fails.
if(AUTOTP_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined
    -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(AUTOTP_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
endif()

# Warnings are per target (generated code is not ours to warn about).
add_library(autotp_warnings INTERFACE)
target_compile_options(autotp_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wnon-virtual-dtor
  -Woverloaded-virtual -Wno-missing-field-initializers>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:Clang>>:-Wthread-safety>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${AUTOTP_WERROR}>>:-Werror>)
add_library(autotp::warnings ALIAS autotp_warnings)
