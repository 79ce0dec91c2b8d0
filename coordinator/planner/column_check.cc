#include "coordinator/planner/column_check.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "coordinator/model/huggingface/safetensors_header.h"
#include "nlohmann/json.hpp"

namespace autotp::planner {
namespace {

using nlohmann::json;

constexpr size_t kLineBytesMax = size_t{16} << 20;

// What a data set of tokens gives.
bool TakesTokens(const program::Program& program) {
  static constexpr absl::string_view kNames[] = {"input_ids", "labels",
                                                 "positions"};
  if (program.inputs.size() < 2 || program.inputs.size() > 3) return false;
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    const program::Value& value = program.values[program.inputs[i]];
    if (value.name != kNames[i] || value.shape.size() != 2 ||
        value.kind != program::ValueKind::kIndex)
      return false;
  }
  return true;
}

// The shape of one row.
std::vector<int64_t> RowShape(const program::Value& input) {
  if (input.shape.empty()) return {};
  return {input.shape.begin() + 1, input.shape.end()};
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ","), "]");
}

class ColumnCheck {
 public:
  ColumnCheck(const v1::DataSource& data, const program::Program& program,
              int64_t train_batch_size, config::Diagnostics* diagnostics)
      : path_(data.path()),
        train_batch_size_(train_batch_size),
        diagnostics_(*diagnostics) {
    for (const program::ValueId id : program.inputs)
      inputs_.push_back(&program.values[id]);
  }

  void CheckTokens() {
    diagnostics_.Error({path_}, "DATA_COLUMN_MISSING",
                       absl::StrCat("the model's inputs are ", Names(), "; ",
                                    path_, " holds tokens only"),
                       "give a .jsonl or .safetensors file with these columns");
  }

  void CheckJson() {
    std::ifstream file(path_, std::ios::binary);
    config::SourcePlace place{path_};
    std::string text;
    while (absl::StripAsciiWhitespace(text).empty()) {
      ++place.line;
      if (!ReadLine(file, &text)) return;  // DATA_TOO_SHORT says it
    }
    const json line = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!line.is_object()) {
      diagnostics_.Error(
          place, "DATA_UNREADABLE", "the line is no JSON object",
          absl::StrCat("write one object a line, with ", Names()));
      return;
    }
    for (const program::Value* input : inputs_) CheckCell(*input, line, place);
  }

  void CheckSafetensors() {
    const auto tensors = model::ReadSafetensorsHeader(path_);
    if (!tensors.ok()) {
      diagnostics_.Error({path_}, "DATA_UNREADABLE",
                         std::string(tensors.status().message()));
      return;
    }
    for (const program::Value* input : inputs_) {
      const auto found = tensors->find(input->name);
      if (found == tensors->end()) {
        Missing(*input, {path_});
        continue;
      }
      const std::vector<int64_t>& shape = found->second.shape;
      const std::vector<int64_t> row = RowShape(*input);
      if (shape.empty() ||
          !std::equal(shape.begin() + 1, shape.end(), row.begin(), row.end())) {
        Misshapen(*input, absl::StrCat("has shape ", ShapeText(shape)),
                  {path_});
      } else if (shape[0] < train_batch_size_) {
        diagnostics_.Error(
            {path_}, "DATA_TOO_SHORT",
            absl::StrCat("the tensor \"", input->name, "\" has ", shape[0],
                         " rows; one batch needs ", train_batch_size_),
            "give more data or a smaller train_batch_size");
      }
    }
  }

 private:
  std::string Names() const {
    std::vector<std::string> names;
    for (const program::Value* input : inputs_)
      names.push_back(
          absl::StrCat(input->name, " ", ShapeText(RowShape(*input))));
    return absl::StrJoin(names, ", ");
  }

  // False at the end of the file, or if the line is too long to look at.
  static bool ReadLine(std::ifstream& file, std::string* line) {
    line->clear();
    for (int c = file.get(); c != std::ifstream::traits_type::eof();
         c = file.get()) {
      if (c == '\n') return true;
      if (line->size() == kLineBytesMax) return false;
      line->push_back(static_cast<char>(c));
    }
    return !line->empty();
  }

  // The first row says whether lists are as long as they have to be.
  void CheckCell(const program::Value& input, const json& line,
                 const config::SourcePlace& place) {
    const auto cell = line.find(input.name);
    if (cell == line.end()) return Missing(input, place);
    int64_t count = 1;
    for (const int64_t size : RowShape(input)) count *= size;
    const int64_t got = CountNumbers(*cell);
    if (got != count)
      Misshapen(input, absl::StrCat("holds ", got, " numbers"), place);
  }

  static int64_t CountNumbers(const json& cell) {
    if (!cell.is_array()) return 1;
    int64_t count = 0;
    for (const json& part : cell) count += CountNumbers(part);
    return count;
  }

  void Missing(const program::Value& input, const config::SourcePlace& place) {
    diagnostics_.Error(place, "DATA_COLUMN_MISSING",
                       absl::StrCat("there is no column \"", input.name, "\""),
                       absl::StrCat("the model's inputs are ", Names()));
  }

  void Misshapen(const program::Value& input, const std::string& what,
                 const config::SourcePlace& place) {
    diagnostics_.Error(
        place, "DATA_COLUMN_MISSHAPEN",
        absl::StrCat("the column \"", input.name, "\" ", what,
                     "; a row of it has shape ", ShapeText(RowShape(input))),
        "cut or pad the rows, or import the model for their shape");
  }

  const std::string path_;
  const int64_t train_batch_size_;
  config::Diagnostics& diagnostics_;
  std::vector<const program::Value*> inputs_;
};

}  // namespace

void CheckColumns(const v1::DataSource& data, const program::Program& program,
                  int64_t train_batch_size, config::Diagnostics* diagnostics) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(data.path(), error)) return;
  ColumnCheck check(data, program, train_batch_size, diagnostics);
  if (absl::EndsWithIgnoreCase(data.path(), ".safetensors"))
    return check.CheckSafetensors();
  if (TakesTokens(program)) return;
  if (absl::EndsWithIgnoreCase(data.path(), ".jsonl")) return check.CheckJson();
  check.CheckTokens();
}

}  // namespace autotp::planner
