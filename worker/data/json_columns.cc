#include "worker/data/json_columns.h"

#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "proto/support/check.h"
#include "proto/support/status_macros.h"
#include "worker/data/json_line.h"

namespace autotp::data {
namespace {

using nlohmann::json;

std::string KeysOf(const json& object) {
  constexpr size_t kShown = 8;
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) {
    if (keys.size() == kShown) break;
    keys.push_back(key.substr(0, 40));
  }
  return keys.empty() ? "nothing" : absl::StrJoin(keys, ", ");
}

// Writes the numbers of one column of one line.
class CellReader {
 public:
  CellReader(const Column& column, char* out) : column_(column), out_(out) {}

  absl::Status Read(const json& cell) {
    const size_t wanted = static_cast<size_t>(column_.count());
    const bool is_flat = cell.is_array() && cell.size() == wanted &&
                         (cell.empty() || !cell[0].is_array());
    AUTOTP_RETURN_IF_ERROR(is_flat ? ReadFlat(cell) : ReadNested(cell, 0));
    return absl::OkStatus();
  }

 private:
  absl::Status ReadFlat(const json& list) {
    for (const json& number : list) AUTOTP_RETURN_IF_ERROR(ReadNumber(number));
    return absl::OkStatus();
  }

  absl::Status ReadNested(const json& cell, size_t dim) {
    if (dim == column_.shape.size()) return ReadNumber(cell);
    if (!cell.is_array() ||
        cell.size() != static_cast<size_t>(column_.shape[dim])) {
      return Misshapen(cell.is_array() ? absl::StrCat("a list of ", cell.size())
                                       : std::string(cell.type_name()),
                       dim);
    }
    for (const json& part : cell)
      AUTOTP_RETURN_IF_ERROR(ReadNested(part, dim + 1));
    return absl::OkStatus();
  }

  absl::Status Misshapen(absl::string_view got, size_t dim) const {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", column_.name, "\" has to hold ", column_.count(), " ",
        NameOf(column_.type), " in shape [", absl::StrJoin(column_.shape, ","),
        "]; dimension ", dim, " is ", got));
  }

  absl::Status ReadNumber(const json& number) {
    switch (column_.type) {
      case ColumnType::kInteger:
        if (!number.is_number_integer() && !number.is_boolean())
          return Mistyped(number);
        return PutInteger(number.is_boolean() ? number.get<bool>()
                                              : number.get<int64_t>());
      case ColumnType::kFloat:
        if (!number.is_number()) return Mistyped(number);
        Put(number.get<float>());
        return absl::OkStatus();
      case ColumnType::kBool:
        if (number.is_boolean()) {
          Put(static_cast<char>(number.get<bool>()));
          return absl::OkStatus();
        }
        if (!number.is_number_integer() || number < 0 || number > 1)
          return Mistyped(number);
        Put(static_cast<char>(number.get<int64_t>()));
        return absl::OkStatus();
    }
    return Mistyped(number);
  }

  absl::Status Mistyped(const json& number) const {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", column_.name, "\" number ", place_, " is ",
                     number.dump(-1, ' ', false, json::error_handler_t::replace)
                         .substr(0, 40),
                     ", not one of ", NameOf(column_.type)));
  }

  absl::Status PutInteger(int64_t value) {
    if (column_.below > 0 && (value < 0 || value >= column_.below)) {
      return absl::OutOfRangeError(
          absl::StrCat("\"", column_.name, "\" number ", place_, " is ", value,
                       ", beyond the vocabulary of ", column_.below));
    }
    Put(value);
    return absl::OkStatus();
  }

  template <typename T>
  void Put(T value) {
    std::memcpy(out_, &value, sizeof(value));
    out_ += sizeof(value);
    ++place_;
  }

  const Column& column_;
  char* out_;
  int64_t place_ = 0;
};

class JsonColumns final : public Dataset {
 public:
  JsonColumns(std::unique_ptr<MappedFile> file, std::vector<JsonLine> lines,
              std::vector<Column> columns)
      : file_(std::move(file)),
        lines_(std::move(lines)),
        columns_(std::move(columns)) {}

  int64_t sequence_count() const override {
    return static_cast<int64_t>(lines_.size());
  }
  const std::string& path() const override { return file_->path(); }
  int64_t sequence_length() const override { return 0; }
  absl::Status Read(int64_t, const SequenceSpans&) const override {
    return absl::UnimplementedError(absl::StrCat(path(), ": holds columns"));
  }
  const std::vector<Column>& columns() const override { return columns_; }

  absl::Status ReadRow(int64_t row,
                       absl::Span<char* const> out) const override {
    AUTOTP_CHECK(row >= 0 && row < sequence_count(), "row ", row);
    const JsonLine& line = lines_[row];
    std::string text(static_cast<size_t>(line.size), '\0');
    AUTOTP_RETURN_IF_ERROR(file_->ReadAt(line.begin, absl::MakeSpan(text)));
    return Annotate(ReadLine(text, out),
                    absl::StrCat(path(), ":", line.number));
  }

 private:
  absl::Status ReadLine(const std::string& text,
                        absl::Span<char* const> out) const {
    const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!object.is_object())
      return absl::InvalidArgumentError("not a JSON object");
    for (size_t i = 0; i < columns_.size(); ++i) {
      const auto cell = object.find(columns_[i].name);
      if (cell == object.end()) {
        return absl::InvalidArgumentError(
            absl::StrCat("lacks the column \"", columns_[i].name,
                         "\", an input of the model; it has ", KeysOf(object)));
      }
      AUTOTP_RETURN_IF_ERROR(CellReader(columns_[i], out[i]).Read(*cell));
    }
    return absl::OkStatus();
  }

  const std::unique_ptr<MappedFile> file_;
  const std::vector<JsonLine> lines_;
  const std::vector<Column> columns_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Dataset>> MakeJsonColumns(
    std::unique_ptr<MappedFile> file, std::vector<Column> columns) {
  AUTOTP_ASSIGN_OR_RETURN(std::vector<JsonLine> lines, FindJsonLines(*file));
  auto data = std::make_unique<JsonColumns>(std::move(file), std::move(lines),
                                            std::move(columns));
  AUTOTP_RETURN_IF_ERROR(ReadBatch(*data, {0}).status());
  return data;
}

}  // namespace autotp::data
