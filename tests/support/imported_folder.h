// imported_folder.h -- a model of tests/golden/models as its user would have
// it after autotp-import: the folder with the program file beside it.
#ifndef AUTOTP_TESTS_SUPPORT_IMPORTED_FOLDER_H_
#define AUTOTP_TESTS_SUPPORT_IMPORTED_FOLDER_H_

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/subprocess.h"

namespace autotp::testing {

// Names of tests/golden/imported, sorted.
inline std::vector<std::string> ImportedModels() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(
           SourcePath("tests/golden/imported"))) {
    if (entry.path().extension() == ".json")
      names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Makes the folder inside of `parent`, with the program file of `name` or of
// another model that has the same; its path.
inline std::string MakeImportedFolder(const std::string& parent,
                                      const std::string& name,
                                      const std::string& program) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(parent) / name;
  fs::create_directories(folder);
  const fs::path model =
      SourcePath(absl::StrCat("tests/golden/models/", name, "/model"));
  if (fs::exists(model)) {
    for (const auto& entry : fs::directory_iterator(model))
      fs::copy(entry.path(), folder / entry.path().filename());
  }
  fs::copy(SourcePath(absl::StrCat("tests/golden/imported/", program, ".json")),
           folder / "autotp_program.json");
  const fs::path constants =
      SourcePath(absl::StrCat("tests/golden/imported/", program, ".constants"));
  if (fs::exists(constants))
    fs::copy(constants, folder / "autotp_program.constants");
  return folder.string();
}
inline std::string MakeImportedFolder(const std::string& parent,
                                      const std::string& name) {
  return MakeImportedFolder(parent, name, name);
}

}  // namespace autotp::testing

#endif  // AUTOTP_TESTS_SUPPORT_IMPORTED_FOLDER_H_
