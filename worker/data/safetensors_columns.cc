#include "worker/data/safetensors_columns.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "proto/support/check.h"
#include "proto/support/status_macros.h"
#include "worker/checkpoint/element.h"
#include "worker/checkpoint/safetensors_header.h"

namespace autotp::data {
namespace {

using checkpoint::Element;
using checkpoint::SafetensorsHeader;
using checkpoint::TensorEntry;

// Turns stored numbers into those of a column; null: they do not fit.
using Convert = void (*)(const char* from, int64_t count, char* to);

template <typename From, typename To>
void Cast(const char* from, int64_t count, char* to) {
  for (int64_t i = 0; i < count; ++i) {
    From value;
    std::memcpy(&value, from + i * sizeof(From), sizeof(From));
    const To cast = static_cast<To>(value);
    std::memcpy(to + i * sizeof(To), &cast, sizeof(To));
  }
}

template <Element kElement>
void Widen(const char* from, int64_t count, char* to) {
  std::vector<float> values(count);
  checkpoint::ToFloat(from, count, kElement, values.data());
  std::memcpy(to, values.data(), values.size() * sizeof(float));
}

struct Stored {
  absl::string_view element;
  int64_t bytes;
  Convert to_integer;
  Convert to_float;
};

const Stored* FindStored(absl::string_view element) {
  static constexpr Stored kStored[] = {
      {"I64", 8, Cast<int64_t, int64_t>, Cast<int64_t, float>},
      {"I32", 4, Cast<int32_t, int64_t>, Cast<int32_t, float>},
      {"I16", 2, Cast<int16_t, int64_t>, Cast<int16_t, float>},
      {"I8", 1, Cast<int8_t, int64_t>, Cast<int8_t, float>},
      {"U8", 1, Cast<uint8_t, int64_t>, Cast<uint8_t, float>},
      {"U16", 2, Cast<uint16_t, int64_t>, Cast<uint16_t, float>},
      {"U32", 4, Cast<uint32_t, int64_t>, Cast<uint32_t, float>},
      {"BOOL", 1, Cast<bool, int64_t>, nullptr},
      {"F64", 8, nullptr, Cast<double, float>},
      {"F32", 4, nullptr, Cast<float, float>},
      {"BF16", 2, nullptr, Widen<Element::kBFloat16>},
      {"F16", 2, nullptr, Widen<Element::kFloat16>}};
  for (const Stored& stored : kStored) {
    if (stored.element == element) return &stored;
  }
  return nullptr;
}

// A bool is any byte; only zero is false.
void ToBool(const char* from, int64_t count, char* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = from[i] != 0;
}

// Where a column's numbers lie.
struct Place {
  int64_t begin = 0;      // byte of the file
  int64_t row_bytes = 0;  // stored
  Convert convert = nullptr;
};

class SafetensorsColumns final : public Dataset {
 public:
  SafetensorsColumns(std::unique_ptr<MappedFile> file,
                     std::vector<Column> columns)
      : file_(std::move(file)), columns_(std::move(columns)) {}

  // Once, before all else.
  absl::Status Find() {
    AUTOTP_ASSIGN_OR_RETURN(const SafetensorsHeader header, ReadHeader());
    for (size_t i = 0; i < columns_.size(); ++i) {
      const auto found = header.tensors.find(columns_[i].name);
      if (found == header.tensors.end()) {
        return absl::InvalidArgumentError(
            absl::StrCat(path(), ": lacks the tensor \"", columns_[i].name,
                         "\", an input of the model"));
      }
      AUTOTP_RETURN_IF_ERROR(Annotate(
          FindColumn(columns_[i], found->second, header.data_begin), path()));
    }
    if (rows_ < 1)
      return absl::InvalidArgumentError(absl::StrCat(path(), ": has no row"));
    return absl::OkStatus();
  }

  int64_t sequence_count() const override { return rows_; }
  const std::string& path() const override { return file_->path(); }
  int64_t sequence_length() const override { return 0; }
  absl::Status Read(int64_t, const SequenceSpans&) const override {
    return absl::UnimplementedError(absl::StrCat(path(), ": holds columns"));
  }
  const std::vector<Column>& columns() const override { return columns_; }

  absl::Status ReadRow(int64_t row,
                       absl::Span<char* const> out) const override {
    AUTOTP_CHECK(row >= 0 && row < rows_, "row ", row);
    std::string bytes;
    for (size_t i = 0; i < columns_.size(); ++i) {
      const Place& place = places_[i];
      const int64_t offset = place.begin + row * place.row_bytes;
      bytes.resize(static_cast<size_t>(place.row_bytes));
      AUTOTP_RETURN_IF_ERROR(file_->ReadAt(offset, absl::MakeSpan(bytes)));
      place.convert(bytes.data(), columns_[i].count(), out[i]);
      AUTOTP_RETURN_IF_ERROR(CheckRange(columns_[i], row, offset, out[i]));
    }
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<SafetensorsHeader> ReadHeader() const {
    const absl::string_view bytes = file_->bytes();
    uint64_t length = 0;
    if (bytes.size() >= sizeof(length))
      std::memcpy(&length, bytes.data(), sizeof(length));
    if (bytes.size() < sizeof(length) ||
        length > bytes.size() - sizeof(length)) {
      return absl::InvalidArgumentError(
          absl::StrCat(path(), ": the safetensors header is cut short"));
    }
    absl::StatusOr<SafetensorsHeader> header =
        checkpoint::ParseHeader(bytes.substr(sizeof(length), length),
                                static_cast<int64_t>(bytes.size()));
    if (!header.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path(), ": ", header.status().message()));
    }
    return header;
  }

  absl::Status FindColumn(const Column& column, const TensorEntry& entry,
                          int64_t data_begin) {
    const auto refused = [&](absl::string_view why) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor \"", column.name, "\" (", entry.element, " [",
                       absl::StrJoin(entry.shape, ","), "], byte ",
                       data_begin + entry.bytes.begin, ") ", why));
    };
    if (entry.shape.empty() ||
        !std::equal(entry.shape.begin() + 1, entry.shape.end(),
                    column.shape.begin(), column.shape.end())) {
      return refused(absl::StrCat("has to be of shape [rows",
                                  column.shape.empty() ? "" : ",",
                                  absl::StrJoin(column.shape, ","), "]"));
    }
    const Stored* const stored = FindStored(entry.element);
    Place place;
    if (stored != nullptr) {
      place.convert = column.type == ColumnType::kFloat     ? stored->to_float
                      : column.type == ColumnType::kInteger ? stored->to_integer
                      : stored->bytes == 1                  ? ToBool
                                                            : nullptr;
    }
    if (place.convert == nullptr) {
      return refused(absl::StrCat("does not hold ", NameOf(column.type)));
    }
    if (!places_.empty() && entry.shape[0] != rows_) {
      return refused(absl::StrCat("has other than the ", rows_, " rows of \"",
                                  columns_[0].name, "\""));
    }
    rows_ = entry.shape[0];
    place.begin = data_begin + entry.bytes.begin;
    place.row_bytes = column.count() * stored->bytes;
    places_.push_back(place);
    return absl::OkStatus();
  }

  absl::Status CheckRange(const Column& column, int64_t row, int64_t offset,
                          const char* values) const {
    if (column.type != ColumnType::kInteger || column.below == 0)
      return absl::OkStatus();
    for (int64_t i = 0; i < column.count(); ++i) {
      int64_t value;
      std::memcpy(&value, values + i * sizeof(value), sizeof(value));
      if (value >= 0 && value < column.below) continue;
      return absl::OutOfRangeError(
          absl::StrCat(path(), ": tensor \"", column.name, "\", row ", row,
                       " (byte ", offset, "), number ", i, " is ", value,
                       ", beyond the vocabulary of ", column.below));
    }
    return absl::OkStatus();
  }

  const std::unique_ptr<MappedFile> file_;
  const std::vector<Column> columns_;
  std::vector<Place> places_;  // [column]
  int64_t rows_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Dataset>> MakeSafetensorsColumns(
    std::unique_ptr<MappedFile> file, std::vector<Column> columns) {
  auto data =
      std::make_unique<SafetensorsColumns>(std::move(file), std::move(columns));
  AUTOTP_RETURN_IF_ERROR(data->Find());
  return data;
}

}  // namespace autotp::data
