#include "worker/data/column.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace autotp::data {

int64_t SizeOf(ColumnType type) {
  switch (type) {
    case ColumnType::kInteger:
      return sizeof(int64_t);
    case ColumnType::kFloat:
      return sizeof(float);
    case ColumnType::kBool:
      return 1;
  }
  return 0;
}

absl::string_view NameOf(ColumnType type) {
  switch (type) {
    case ColumnType::kInteger:
      return "integers";
    case ColumnType::kFloat:
      return "floats";
    case ColumnType::kBool:
      return "bools";
  }
  return "";
}

int64_t Column::count() const {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

bool TakesTokens(const v1::Program& program) {
  static constexpr absl::string_view kNames[] = {"input_ids", "labels",
                                                 "positions"};
  if (program.inputs_size() < 2 || program.inputs_size() > 3) return false;
  for (int i = 0; i < program.inputs_size(); ++i) {
    const v1::Value& value = program.values(program.inputs(i));
    if (value.name() != kNames[i] || value.kind() != v1::Value::KIND_INDEX ||
        value.shape_size() != 2)
      return false;
  }
  return true;
}

absl::StatusOr<std::vector<Column>> ColumnsOf(const v1::Program& program,
                                              int64_t vocabulary_size) {
  std::vector<Column> columns;
  for (const int id : program.inputs()) {
    const v1::Value& value = program.values(id);
    if (value.name().empty() || value.shape().empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "program input '", value.name(),
          "' needs a name and a first dimension, the micro-batch"));
    }
    Column column;
    column.name = value.name();
    column.shape.assign(value.shape().begin() + 1, value.shape().end());
    column.type = value.kind() == v1::Value::KIND_INDEX  ? ColumnType::kInteger
                  : value.kind() == v1::Value::KIND_BOOL ? ColumnType::kBool
                                                         : ColumnType::kFloat;
    if (absl::EndsWith(column.name, "input_ids"))
      column.below = vocabulary_size;
    columns.push_back(std::move(column));
  }
  return columns;
}

}  // namespace autotp::data
