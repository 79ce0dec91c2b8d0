// program_json.h -- typed access to the JSON of a program file.
//
// Flow: program_file.cc asks for members by name; what is missing, of another
// type or out of range is the finding MODEL_PROGRAM_INVALID with its place.
//
// `at` is the place (a JSON pointer) of what is given.
#ifndef AUTOTP_COORDINATOR_MODEL_EXPORTED_PROGRAM_JSON_H_
#define AUTOTP_COORDINATOR_MODEL_EXPORTED_PROGRAM_JSON_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/model/exported/program_file.h"
#include "coordinator/program/program.h"

namespace autotp::model {

class ProgramJson {
 public:
  using json = nlohmann::json;
  ProgramJson(std::string path, const ProgramSizes& sizes)
      : path_(std::move(path)), sizes_(sizes) {}

  const std::string& path() const { return path_; }
  const ProgramSizes& sizes() const { return sizes_; }
  absl::Status Wrong(const std::string& pointer, const std::string& message,
                     const std::string& suggestion =
                         "import the model again; the file is not to be "
                         "edited") const;

  // Members of objects.
  absl::StatusOr<const json*> Member(const json& object, const char* name,
                                     const std::string& at) const;
  absl::StatusOr<const json*> List(const json& object, const char* name,
                                   const std::string& at) const;
  absl::StatusOr<std::string> Text(const json& object, const char* name,
                                   const std::string& at) const;
  absl::StatusOr<int64_t> Integer(const json& object, const char* name,
                                  const std::string& at) const;

  absl::StatusOr<std::string> TextOf(const json& text,
                                     const std::string& at) const;
  absl::StatusOr<int64_t> IntegerOf(const json& number,
                                    const std::string& at) const;
  // A number, or what the sizes make it.
  absl::StatusOr<int64_t> SizeOf(const json& size, const std::string& at) const;
  absl::StatusOr<std::vector<int64_t>> Shape(const json& list,
                                             const std::string& at) const;
  // {"number": "inf"} is what JSON has no number for.
  absl::StatusOr<program::Attribute> AttributeOf(const json& value,
                                                 const std::string& at) const;

 private:
  const std::string path_;
  const ProgramSizes sizes_;
};

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_EXPORTED_PROGRAM_JSON_H_
