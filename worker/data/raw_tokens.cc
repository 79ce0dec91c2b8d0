#include "worker/data/raw_tokens.h"

#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "proto/support/status_macros.h"

namespace autotp::data {
namespace {

constexpr int64_t kHeaderBytes = 1024;

using TokenType = v1::DataSource::TokenType;

struct Header {
  TokenType type = v1::DataSource::TOKEN_TYPE_UNSPECIFIED;
  int64_t count = 0;
};

// What begins like llm.c's header; nullopt: tokens from the first byte on.
std::optional<Header> FindHeader(absl::string_view bytes) {
  int32_t numbers[3];
  if (bytes.size() < sizeof(numbers)) return std::nullopt;
  std::memcpy(numbers, bytes.data(), sizeof(numbers));
  if (numbers[0] == 20240520 && numbers[1] == 1)
    return Header{v1::DataSource::TOKEN_TYPE_UINT16, numbers[2]};
  if (numbers[0] == 20240801 && numbers[1] == 7)
    return Header{v1::DataSource::TOKEN_TYPE_UINT32, numbers[2]};
  return std::nullopt;
}

TokenWidth WidthOf(TokenType type) {
  return type == v1::DataSource::TOKEN_TYPE_UINT32 ? TokenWidth::kU32
                                                   : TokenWidth::kU16;
}

absl::Status CheckHeader(const Header& header, TokenType wanted, int64_t size) {
  if (wanted != v1::DataSource::TOKEN_TYPE_UNSPECIFIED &&
      wanted != header.type) {
    return absl::InvalidArgumentError(absl::StrCat(
        "byte 0: the header says ", SizeOf(WidthOf(header.type)),
        "-byte tokens, the job another; leave the token data type out"));
  }
  const int64_t expected =
      kHeaderBytes + header.count * SizeOf(WidthOf(header.type));
  if (header.count >= 0 && expected == size) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "byte 8: the header says ", header.count, " tokens, which makes ",
      expected, " bytes, but the file has ", size, "; it was cut short"));
}

}  // namespace

absl::StatusOr<TokenStream> FindRawTokens(std::unique_ptr<MappedFile> file,
                                          TokenType type) {
  TokenStream stream;
  const auto size = static_cast<int64_t>(file->bytes().size());
  if (const std::optional<Header> header = FindHeader(file->bytes())) {
    AUTOTP_RETURN_IF_ERROR(
        Annotate(CheckHeader(*header, type, size), file->path()));
    stream.begin = kHeaderBytes;
    stream.count = header->count;
    stream.width = WidthOf(header->type);
  } else {
    stream.width = WidthOf(type);
    if (size % SizeOf(stream.width) != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(file->path(), ": ", size,
                       " bytes are no whole number of ", SizeOf(stream.width),
                       "-byte tokens; the file is cut short or the "
                       "token data type is wrong"));
    }
    stream.count = size / SizeOf(stream.width);
  }
  stream.file = std::move(file);
  return stream;
}

}  // namespace autotp::data
