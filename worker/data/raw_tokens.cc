#include "worker/data/raw_tokens.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace autotp::data {
namespace {

constexpr int64_t kHeaderBytes = 1024;

bool FindHeader(absl::string_view bytes, TokenStream& stream) {
  if (bytes.size() < static_cast<size_t>(kHeaderBytes)) return false;
  int32_t header[3];
  std::memcpy(header, bytes.data(), sizeof(header));
  if (header[0] == 20240520) {
    stream.width = TokenWidth::kU16;
  } else if (header[0] == 20240801) {
    stream.width = TokenWidth::kU32;
  } else {
    return false;
  }
  stream.begin = kHeaderBytes;
  stream.count = header[2];
  return stream.count >= 0 &&
         kHeaderBytes + stream.count * SizeOf(stream.width) ==
             static_cast<int64_t>(bytes.size());
}

}  // namespace

absl::StatusOr<TokenStream> FindRawTokens(std::unique_ptr<MappedFile> file,
                                          v1::DataSource::TokenType type) {
  TokenStream stream;
  const absl::string_view bytes = file->bytes();
  if (!FindHeader(bytes, stream)) {
    stream.begin = 0;
    stream.width = type == v1::DataSource::TOKEN_TYPE_UINT32 ? TokenWidth::kU32
                                                             : TokenWidth::kU16;
    const int64_t size = static_cast<int64_t>(bytes.size());
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
