# One target per module, named autotp_<module>, linked as autotp::<module>.
#   autotp_cc_library(NAME coordinator_core SRCS a.cc b.cc DEPS autotp::support
#                     PRIVATE_DEPS SQLite::SQLite3)
function(autotp_cc_library)
  cmake_parse_arguments(ARG "" "NAME" "SRCS;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(autotp_${ARG_NAME} STATIC ${ARG_SRCS})
  add_library(autotp::${ARG_NAME} ALIAS autotp_${ARG_NAME})
  target_include_directories(autotp_${ARG_NAME} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(autotp_${ARG_NAME}
    PUBLIC ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS} autotp::warnings)
endfunction()

#   autotp_cc_binary(NAME autotp-worker SRCS main.cc DEPS autotp::worker_agent)
function(autotp_cc_binary)
  cmake_parse_arguments(ARG "" "NAME" "SRCS;DEPS" ${ARGN})
  add_executable(${ARG_NAME} ${ARG_SRCS})
  target_include_directories(${ARG_NAME} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_DEPS} autotp::warnings)
endfunction()

# One test program per module; every TEST is a ctest test with that label.
#   autotp_cc_test(NAME coordinator_core_test LABEL unit TIMEOUT 30
#                  SRCS a_test.cc b_test.cc DEPS autotp::coordinator_core)
# Tests find data below the source tree through AUTOTP_SOURCE_DIR and the
# programs through AUTOTP_BIN_DIR, both set in their environment.
function(autotp_cc_test)
  cmake_parse_arguments(ARG "SERIAL" "NAME;LABEL;TIMEOUT" "SRCS;DEPS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  add_executable(${ARG_NAME} ${ARG_SRCS})
  target_include_directories(${ARG_NAME} PRIVATE ${PROJECT_SOURCE_DIR})
  set_target_properties(${ARG_NAME} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_DEPS} GTest::gmock
    GTest::gtest_main autotp::warnings)
  # Test files are compiled more often than they run long: a quarter less time.
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(${ARG_NAME} PRIVATE -O1)
  endif()
  # A list cannot be passed through gtest_discover_tests' properties: the
  # environment is set by the launcher instead.
  set_target_properties(${ARG_NAME} PROPERTIES CROSSCOMPILING_EMULATOR
    "/usr/bin/env;AUTOTP_SOURCE_DIR=${PROJECT_SOURCE_DIR};AUTOTP_BIN_DIR=${PROJECT_BINARY_DIR}/bin")
  gtest_discover_tests(${ARG_NAME} DISCOVERY_MODE PRE_TEST NO_PRETTY_VALUES
    PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT}
    RUN_SERIAL ${ARG_SERIAL})
endfunction()

# Generated code of autotp/v1: messages (protobuf only), services (gRPC).
function(autotp_proto_libraries)
  cmake_parse_arguments(ARG "" "" "MESSAGES;SERVICES" ${ARGN})
  set(gen ${PROJECT_BINARY_DIR}/gen)
  file(MAKE_DIRECTORY ${gen})
  set(root ${PROJECT_SOURCE_DIR}/proto)
  foreach(file ${ARG_MESSAGES} ${ARG_SERVICES})
    set(base ${gen}/autotp/v1/${file})
    add_custom_command(
      OUTPUT ${base}.pb.cc ${base}.pb.h
      COMMAND protobuf::protoc -I ${root} --cpp_out=${gen} autotp/v1/${file}.proto
      WORKING_DIRECTORY ${root} DEPENDS ${root}/autotp/v1/${file}.proto VERBATIM)
    list(APPEND message_sources ${base}.pb.cc)
  endforeach()
  add_library(autotp_messages STATIC ${message_sources})
  add_library(autotp::messages ALIAS autotp_messages)
  target_include_directories(autotp_messages SYSTEM PUBLIC ${gen})
  target_link_libraries(autotp_messages PUBLIC protobuf::libprotobuf)
  if(NOT AUTOTP_BUILD_RPC)
    return()
  endif()
  foreach(file ${ARG_SERVICES})
    set(base ${gen}/autotp/v1/${file})
    add_custom_command(
      OUTPUT ${base}.grpc.pb.cc ${base}.grpc.pb.h
      COMMAND protobuf::protoc -I ${root} --grpc_out=${gen}
        --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>
        autotp/v1/${file}.proto
      WORKING_DIRECTORY ${root} DEPENDS ${root}/autotp/v1/${file}.proto VERBATIM)
    list(APPEND service_sources ${base}.grpc.pb.cc)
  endforeach()
  add_library(autotp_services STATIC ${service_sources})
  add_library(autotp::services ALIAS autotp_services)
  target_link_libraries(autotp_services PUBLIC autotp::messages gRPC::grpc++)
endfunction()
