#include "worker/data/megatron.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"

namespace autotp::data {
namespace {

constexpr absl::string_view kMagic("MMIDIDX\0\0", 9);
constexpr int64_t kHeaderBytes = 34;
constexpr int64_t kSequencesMax = int64_t{1} << 40;

template <typename T>
T Load(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

absl::Status Malformed(const MappedFile& index, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(index.path(), ": ", what));
}

absl::StatusOr<TokenWidth> WidthOf(const MappedFile& index, int code,
                                   int64_t token_count, int64_t bin_bytes) {
  const auto fits = [&](TokenWidth width) {
    return token_count * SizeOf(width) == bin_bytes;
  };
  switch (code) {
    case 1:
      return TokenWidth::kU8;
    case 2:
      return TokenWidth::kI8;
    case 3:
      return TokenWidth::kI16;
    case 4:
      return TokenWidth::kI32;
    case 5:
      return TokenWidth::kI64;
    case 6:
      if (fits(TokenWidth::kU16)) return TokenWidth::kU16;
      break;
    case 7:
      if (fits(TokenWidth::kU32)) return TokenWidth::kU32;
      break;
    case 8:
      if (fits(TokenWidth::kU64) && !fits(TokenWidth::kU16))
        return TokenWidth::kU64;
      return TokenWidth::kU16;
    default:
      break;
  }
  return Malformed(
      index, absl::StrCat("type code ", code, " is not one of integer tokens"));
}

absl::StatusOr<int64_t> CountTokens(const MappedFile& index,
                                    int64_t sequence_count) {
  const char* lengths = index.bytes().data() + kHeaderBytes;
  int64_t tokens = 0;
  for (int64_t i = 0; i < sequence_count; ++i) {
    const int32_t length = Load<int32_t>(lengths + 4 * i);
    if (length < 0) {
      return Malformed(index,
                       absl::StrCat("sequence ", i, " has length ", length));
    }
    tokens += length;
  }
  return tokens;
}

// Every sequence begins where the one before ended.
absl::Status CheckOffsets(const MappedFile& index, int64_t sequence_count,
                          TokenWidth width) {
  const char* lengths = index.bytes().data() + kHeaderBytes;
  const char* offsets = lengths + 4 * sequence_count;
  int64_t expected = 0;
  for (int64_t i = 0; i < sequence_count; ++i) {
    const int64_t offset = Load<int64_t>(offsets + 8 * i);
    if (offset != expected) {
      return Malformed(
          index,
          absl::StrCat("sequence ", i, " begins at byte ", offset,
                       " of the .bin, the one before ends at ", expected));
    }
    expected += Load<int32_t>(lengths + 4 * i) * SizeOf(width);
  }
  return absl::OkStatus();
}

}  // namespace

bool IsMegatronIndex(absl::string_view bytes) {
  return bytes.substr(0, kMagic.size()) == kMagic;
}

absl::StatusOr<TokenStream> FindMegatronTokens(
    const MappedFile& index, std::unique_ptr<MappedFile> tokens) {
  const absl::string_view bytes = index.bytes();
  const int64_t size = static_cast<int64_t>(bytes.size());
  if (!IsMegatronIndex(bytes) || size < kHeaderBytes)
    return Malformed(index, "not a Megatron index");
  const uint64_t version = Load<uint64_t>(bytes.data() + 9);
  if (version != 1)
    return Malformed(index, absl::StrCat("index version ", version,
                                         " is unknown; 1 can be read"));
  const int code = Load<uint8_t>(bytes.data() + 17);
  const int64_t sequences = Load<int64_t>(bytes.data() + 18);
  const int64_t documents = Load<int64_t>(bytes.data() + 26);
  if (sequences < 0 || sequences > kSequencesMax || documents < 0 ||
      documents > kSequencesMax) {
    return Malformed(index, "impossible numbers of sequences or documents");
  }
  const int64_t expected = kHeaderBytes + 12 * sequences + 8 * documents;
  // Multimodal sets add one byte a sequence.
  if (size != expected && size != expected + sequences) {
    return Malformed(
        index, absl::StrCat("has ", size, " bytes where ", sequences,
                            " sequences need ", expected, "; it is cut short"));
  }
  const int64_t bin_bytes = static_cast<int64_t>(tokens->bytes().size());
  AUTOTP_ASSIGN_OR_RETURN(const int64_t count, CountTokens(index, sequences));
  AUTOTP_ASSIGN_OR_RETURN(const TokenWidth width,
                          WidthOf(index, code, count, bin_bytes));
  if (count * SizeOf(width) != bin_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        tokens->path(), ": has ", bin_bytes, " bytes, but its index says ",
        count, " tokens of ", SizeOf(width),
        " bytes; one of the two files is "
        "cut short or of another data set"));
  }
  AUTOTP_RETURN_IF_ERROR(CheckOffsets(index, sequences, width));
  TokenStream stream;
  stream.file = std::move(tokens);
  stream.count = count;
  stream.width = width;
  return stream;
}

}  // namespace autotp::data
