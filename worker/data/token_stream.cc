#include "worker/data/token_stream.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/check.h"
#include "proto/support/status_macros.h"

namespace autotp::data {
namespace {

constexpr size_t kPieceBytes = 16 << 10;  // of the stack, read at once

template <typename Token>
void Widen(const char* bytes, absl::Span<int64_t> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    Token token;
    std::memcpy(&token, bytes + i * sizeof(Token), sizeof(Token));
    out[i] = static_cast<int64_t>(token);  // u64 above 2^63: negative, refused
  }
}

void WidenAs(TokenWidth width, const char* bytes, absl::Span<int64_t> out) {
  switch (width) {
    case TokenWidth::kU8:
      return Widen<uint8_t>(bytes, out);
    case TokenWidth::kI8:
      return Widen<int8_t>(bytes, out);
    case TokenWidth::kU16:
      return Widen<uint16_t>(bytes, out);
    case TokenWidth::kI16:
      return Widen<int16_t>(bytes, out);
    case TokenWidth::kU32:
      return Widen<uint32_t>(bytes, out);
    case TokenWidth::kI32:
      return Widen<int32_t>(bytes, out);
    case TokenWidth::kU64:
      return Widen<uint64_t>(bytes, out);
    case TokenWidth::kI64:
      return Widen<int64_t>(bytes, out);
  }
}

class StreamDataset final : public Dataset {
 public:
  StreamDataset(TokenStream stream, const StreamOptions& options)
      : stream_(std::move(stream)), options_(options) {}

  int64_t sequence_count() const override {
    return stream_.count / options_.sequence_length;
  }
  int64_t sequence_length() const override { return options_.sequence_length; }
  const std::string& path() const override { return stream_.file->path(); }

  absl::Status Read(int64_t index, const SequenceSpans& out) const override {
    AUTOTP_CHECK(index >= 0 && index < sequence_count(), "sequence ", index,
                 " of ", sequence_count());
    AUTOTP_RETURN_IF_ERROR(Annotate(ReadTokens(index, out.input_ids),
                                    absl::StrCat("sequence ", index)));
    const int64_t tokens = options_.sequence_length;
    for (int64_t t = 0; t < tokens; ++t) {
      const int64_t id = out.input_ids[t];
      if (id >= 0 && id < options_.vocabulary_size) continue;
      const int64_t byte =
          stream_.begin + (index * tokens + t) * SizeOf(stream_.width);
      return TokenError(absl::StrCat(path(), ": byte ", byte), index, t, id,
                        options_.vocabulary_size);
    }
    std::copy(out.input_ids.begin(), out.input_ids.end(), out.labels.begin());
    std::iota(out.positions.begin(), out.positions.end(), 0);
    if (options_.separator.has_value()) MarkDocuments(out);
    return absl::OkStatus();
  }

 private:
  void MarkDocuments(const SequenceSpans& out) const {
    int64_t position = 0;
    for (size_t t = 0; t < out.input_ids.size(); ++t) {
      if (position == 0) out.labels[t] = kIgnoredLabel;
      out.positions[t] = position;
      position = out.input_ids[t] == *options_.separator ? 0 : position + 1;
    }
  }

  absl::Status ReadTokens(int64_t index, absl::Span<int64_t> out) const {
    std::array<char, kPieceBytes> bytes;
    const int64_t width = SizeOf(stream_.width);
    const size_t tokens_max = bytes.size() / static_cast<size_t>(width);
    int64_t at = stream_.begin + index * options_.sequence_length * width;
    while (!out.empty()) {
      const size_t tokens = std::min(out.size(), tokens_max);
      const auto piece =
          absl::MakeSpan(bytes).first(tokens * static_cast<size_t>(width));
      AUTOTP_RETURN_IF_ERROR(stream_.file->ReadAt(at, piece));
      WidenAs(stream_.width, piece.data(), out.first(tokens));
      out.remove_prefix(tokens);
      at += static_cast<int64_t>(piece.size());
    }
    return absl::OkStatus();
  }

  const TokenStream stream_;
  const StreamOptions options_;
};

}  // namespace

int64_t SizeOf(TokenWidth width) {
  switch (width) {
    case TokenWidth::kU8:
    case TokenWidth::kI8:
      return 1;
    case TokenWidth::kU16:
    case TokenWidth::kI16:
      return 2;
    case TokenWidth::kU32:
    case TokenWidth::kI32:
      return 4;
    case TokenWidth::kU64:
    case TokenWidth::kI64:
      return 8;
  }
  return 0;
}

absl::StatusOr<std::unique_ptr<Dataset>> MakeStreamDataset(
    TokenStream stream, const StreamOptions& options) {
  const int64_t size = static_cast<int64_t>(stream.file->bytes().size());
  AUTOTP_CHECK(stream.begin >= 0 && stream.count >= 0 &&
                   stream.begin + stream.count * SizeOf(stream.width) <= size,
               stream.file->path());
  if (stream.count < options.sequence_length) {
    return absl::InvalidArgumentError(absl::StrCat(
        stream.file->path(), ": ", stream.count,
        " tokens are fewer than one sequence of ", options.sequence_length,
        "; give more data or a shorter sequence length"));
  }
  return std::make_unique<StreamDataset>(std::move(stream), options);
}

absl::Status TokenError(const std::string& place, int64_t sequence,
                        int64_t position, int64_t id, int64_t vocabulary_size) {
  return absl::OutOfRangeError(absl::StrCat(
      place, ": sequence ", sequence, ", position ", position, ": token id ",
      id, " is outside the model's vocabulary of ", vocabulary_size,
      " tokens; check the tokenizer and the token data type"));
}

}  // namespace autotp::data
