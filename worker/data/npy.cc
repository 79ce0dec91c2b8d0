#include "worker/data/npy.h"

#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "proto/support/status_macros.h"

namespace autotp::data {
namespace {

constexpr absl::string_view kMagic("\x93NUMPY", 6);

absl::Status Malformed(const MappedFile& file, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(file.path(), ": ", what));
}

struct Header {
  absl::string_view text;
  int64_t data_begin = 0;
};

absl::StatusOr<Header> FindHeader(const MappedFile& file) {
  const absl::string_view bytes = file.bytes();
  if (bytes.size() < 12) return Malformed(file, "the .npy header is cut short");
  const int major = static_cast<unsigned char>(bytes[6]);
  size_t begin = 0;
  size_t length = 0;
  if (major == 1) {
    uint16_t value;
    std::memcpy(&value, bytes.data() + 8, sizeof(value));
    begin = 10;
    length = value;
  } else if (major == 2 || major == 3) {
    uint32_t value;
    std::memcpy(&value, bytes.data() + 8, sizeof(value));
    begin = 12;
    length = value;
  } else {
    return Malformed(file, absl::StrCat(".npy format ", major,
                                        " is unknown; 1 to 3 can be read"));
  }
  if (begin + length > bytes.size())
    return Malformed(file, "the .npy header is cut short");
  return Header{bytes.substr(begin, length),
                static_cast<int64_t>(begin + length)};
}

// The text after "'key':" up to the next "," outside of parentheses, or "}".
absl::StatusOr<absl::string_view> FieldOf(const MappedFile& file,
                                          absl::string_view header,
                                          absl::string_view key) {
  const size_t at = header.find(absl::StrCat("'", key, "':"));
  if (at == absl::string_view::npos)
    return Malformed(file, absl::StrCat("the .npy header lacks '", key, "'"));
  const absl::string_view rest = header.substr(at + key.size() + 3);
  int depth = 0;
  for (size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] == '(' || rest[i] == '[') ++depth;
    if (rest[i] == ')' || rest[i] == ']') --depth;
    if (depth == 0 && (rest[i] == ',' || rest[i] == '}'))
      return absl::StripAsciiWhitespace(rest.substr(0, i));
  }
  return Malformed(file,
                   absl::StrCat("the .npy header's '", key, "' has no end"));
}

absl::StatusOr<TokenWidth> WidthOf(const MappedFile& file,
                                   absl::string_view descr) {
  const struct {
    absl::string_view name;
    TokenWidth width;
  } kWidths[] = {{"'|u1'", TokenWidth::kU8},  {"'|i1'", TokenWidth::kI8},
                 {"'<u2'", TokenWidth::kU16}, {"'<i2'", TokenWidth::kI16},
                 {"'<u4'", TokenWidth::kU32}, {"'<i4'", TokenWidth::kI32},
                 {"'<u8'", TokenWidth::kU64}, {"'<i8'", TokenWidth::kI64}};
  for (const auto& [name, width] : kWidths) {
    if (descr == name) return width;
  }
  return Malformed(file, absl::StrCat("element type ", descr,
                                      " is not a little-endian integer; save "
                                      "the tokens as uint16 or uint32"));
}

absl::StatusOr<std::vector<int64_t>> ShapeOf(const MappedFile& file,
                                             absl::string_view text) {
  std::vector<int64_t> shape;
  if (!absl::ConsumePrefix(&text, "(") || !absl::ConsumeSuffix(&text, ")"))
    return Malformed(file, "the .npy shape is malformed");
  for (absl::string_view part :
       absl::StrSplit(text, ',', absl::SkipWhitespace())) {
    int64_t length = 0;
    if (!absl::SimpleAtoi(part, &length) || length < 0)
      return Malformed(file, "the .npy shape is malformed");
    shape.push_back(length);
  }
  return shape;
}

}  // namespace

bool IsNpy(absl::string_view bytes) {
  return bytes.substr(0, kMagic.size()) == kMagic;
}

absl::StatusOr<TokenStream> FindNpyTokens(std::unique_ptr<MappedFile> file,
                                          int64_t sequence_length) {
  AUTOTP_ASSIGN_OR_RETURN(const Header header, FindHeader(*file));
  AUTOTP_ASSIGN_OR_RETURN(const absl::string_view descr,
                          FieldOf(*file, header.text, "descr"));
  AUTOTP_ASSIGN_OR_RETURN(const absl::string_view fortran,
                          FieldOf(*file, header.text, "fortran_order"));
  AUTOTP_ASSIGN_OR_RETURN(const absl::string_view shape_text,
                          FieldOf(*file, header.text, "shape"));
  AUTOTP_ASSIGN_OR_RETURN(const TokenWidth width, WidthOf(*file, descr));
  AUTOTP_ASSIGN_OR_RETURN(const std::vector<int64_t> shape,
                          ShapeOf(*file, shape_text));
  if (shape.size() != 1 && shape.size() != 2) {
    return Malformed(*file, absl::StrCat("the array has ", shape.size(),
                                         " dimensions; 1 or 2 can be read"));
  }
  if (shape.size() == 2 && fortran != "False")
    return Malformed(*file,
                     "the array is in Fortran order; save it in C order");
  if (shape.size() == 2 && shape[1] != sequence_length) {
    return Malformed(*file, absl::StrCat("rows have ", shape[1],
                                         " tokens, but the sequence "
                                         "length is ",
                                         sequence_length, "; make them equal"));
  }
  const int64_t available =
      static_cast<int64_t>(file->bytes().size()) - header.data_begin;
  int64_t count = 1;
  for (const int64_t length : shape) {
    if (length > 0 && count > std::numeric_limits<int64_t>::max() / 8 / length)
      return Malformed(*file, "the .npy shape is too large");
    count *= length;
  }
  if (count * SizeOf(width) != available) {
    return Malformed(*file,
                     absl::StrCat("holds ", available,
                                  " bytes, but its "
                                  "shape (",
                                  absl::StrJoin(shape, ", "), ") needs ",
                                  count * SizeOf(width), "; it is cut short"));
  }
  TokenStream stream;
  stream.file = std::move(file);
  stream.begin = header.data_begin;
  stream.count = count;
  stream.width = width;
  return stream;
}

}  // namespace autotp::data
