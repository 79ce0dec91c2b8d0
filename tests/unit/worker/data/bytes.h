// bytes.h -- numbers as they lie in a file, for the tests of this folder.
#ifndef AUTOTP_TESTS_UNIT_WORKER_DATA_BYTES_H_
#define AUTOTP_TESTS_UNIT_WORKER_DATA_BYTES_H_

#include <string>
#include <vector>

namespace autotp::data {

template <typename T>
std::string Bytes(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()),
                     values.size() * sizeof(T));
}

template <typename T>
std::string Bytes(T value) {
  return Bytes(std::vector<T>{value});
}

}  // namespace autotp::data

#endif  // AUTOTP_TESTS_UNIT_WORKER_DATA_BYTES_H_
