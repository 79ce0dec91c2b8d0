#include "coordinator/model/huggingface/safetensors_header.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "coordinator/model/finding.h"
#include "coordinator/model/huggingface/json_text.h"
#include "proto/support/status_macros.h"

namespace autotp::model {
namespace {

using nlohmann::json;

constexpr int64_t kPrefixBytes = 8;
constexpr int64_t kMostHeaderBytes = 100'000'000;  // the format's own limit
constexpr size_t kMostDimensions = 8;
constexpr size_t kMostNameBytes = 1024;

absl::Status Invalid(const std::string& file, std::string message,
                     absl::string_view suggestion = "") {
  return ToStatus({.reason = "WEIGHTS_INVALID",
                   .file = file,
                   .message = std::move(message),
                   .suggestion = std::string(suggestion)});
}

absl::Status Truncated(const std::string& file, std::string message) {
  return Invalid(file, std::move(message),
                 "the file is truncated or damaged, fetch it again");
}

// Bits of one element; the formats with fewer than 8 come in whole bytes.
std::optional<int64_t> BitsOf(absl::string_view dtype) {
  constexpr std::pair<absl::string_view, int64_t> kBits[] = {
      {"BOOL", 8},    {"F4", 4},          {"F6_E2M3", 6},     {"F6_E3M2", 6},
      {"U8", 8},      {"I8", 8},          {"F8_E5M2", 8},     {"F8_E4M3", 8},
      {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
      {"U16", 16},    {"F16", 16},        {"BF16", 16},       {"I32", 32},
      {"U32", 32},    {"F32", 32},        {"C64", 64},        {"F64", 64},
      {"I64", 64},    {"U64", 64},
  };
  for (const auto& [name, bits] : kBits)
    if (name == dtype) return bits;
  return std::nullopt;
}

std::optional<int64_t> NaturalNumber(const json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() &&
      value.get<uint64_t>() > uint64_t{INT64_MAX}) {
    return std::nullopt;
  }
  const int64_t number = value.get<int64_t>();
  if (number < 0) return std::nullopt;
  return number;
}

std::optional<std::vector<int64_t>> NaturalNumbers(const json& value) {
  std::vector<int64_t> numbers;
  if (!value.is_array()) return std::nullopt;
  for (const json& element : value) {
    const std::optional<int64_t> number = NaturalNumber(element);
    if (!number.has_value()) return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers;
}

// Bytes that shape and dtype ask for; nullopt beyond int64 or a broken byte.
std::optional<int64_t> BytesOf(const std::vector<int64_t>& shape,
                               int64_t bits) {
  int64_t total = bits;
  for (int64_t dim : shape)
    if (__builtin_mul_overflow(total, dim, &total)) return std::nullopt;
  if (total % 8 != 0) return std::nullopt;
  return total / 8;
}

absl::StatusOr<StoredTensor> ParseTensor(const std::string& file,
                                         const std::string& name,
                                         const json& entry) {
  const auto invalid = [&](const auto&... parts) {
    return Invalid(file, absl::StrCat("tensor '", name, "' ", parts...));
  };
  if (name.size() > kMostNameBytes)
    return Invalid(file, "holds a tensor name of over 1024 bytes");
  if (!entry.is_object() || !entry.contains("dtype") ||
      !entry.contains("shape") || !entry.contains("data_offsets") ||
      entry.size() != 3) {
    return invalid("needs dtype, shape and data_offsets, nothing else");
  }
  StoredTensor tensor;
  const json& dtype = entry["dtype"];
  if (!dtype.is_string()) return invalid("has a dtype that is no string");
  tensor.dtype = dtype.get<std::string>();
  const std::optional<int64_t> bits = BitsOf(tensor.dtype);
  if (!bits.has_value())
    return invalid("has dtype '", tensor.dtype, "', which is unknown");
  const auto shape = NaturalNumbers(entry["shape"]);
  if (!shape.has_value() || shape->size() > kMostDimensions) {
    return invalid("has a shape that is no list of at most ", kMostDimensions,
                   " sizes");
  }
  tensor.shape = *shape;
  const auto offsets = NaturalNumbers(entry["data_offsets"]);
  if (!offsets.has_value() || offsets->size() != 2 ||
      (*offsets)[1] < (*offsets)[0]) {
    return invalid("has data_offsets that are no begin and end");
  }
  tensor.begin = (*offsets)[0];
  tensor.end = (*offsets)[1];
  const std::optional<int64_t> bytes = BytesOf(tensor.shape, *bits);
  if (bytes != tensor.end - tensor.begin) {
    return invalid("takes ", tensor.end - tensor.begin,
                   " bytes, but its shape [", absl::StrJoin(tensor.shape, ","),
                   "] in ", tensor.dtype, " does not");
  }
  return tensor;
}

// Tensors have to lie one behind the other and fill the data exactly.
absl::Status CheckLayout(const std::string& file, const StoredTensors& tensors,
                         int64_t data_bytes) {
  std::vector<std::pair<const std::string*, const StoredTensor*>> order;
  for (const auto& [name, tensor] : tensors) order.emplace_back(&name, &tensor);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second->begin, a.second->end) <
           std::pair(b.second->begin, b.second->end);
  });
  int64_t at = 0;
  std::string before;
  for (const auto& [name, tensor] : order) {
    if (tensor->begin < at) {
      return Invalid(file, absl::StrCat("tensor '", *name, "' at byte ",
                                        tensor->begin, " overlaps tensor '",
                                        before, "', which ends at ", at));
    }
    if (tensor->begin > at) {
      return Invalid(
          file, absl::StrCat("nothing describes the bytes from ", at, " to ",
                             tensor->begin, " before tensor '", *name, "'"));
    }
    if (tensor->end > data_bytes) {
      return Truncated(
          file,
          absl::StrCat("tensor '", *name, "' ends at byte ", tensor->end,
                       ", but only ", data_bytes, " bytes of data are there"));
    }
    at = tensor->end;
    before = *name;
  }
  if (at == data_bytes) return absl::OkStatus();
  return Invalid(file, absl::StrCat("the tensors end at byte ", at, ", but ",
                                    data_bytes, " bytes of data are there"));
}

}  // namespace

absl::StatusOr<StoredTensors> ParseSafetensorsHeader(const std::string& file,
                                                     absl::string_view header,
                                                     int64_t data_bytes) {
  if (header.empty() || header[0] != '{')
    return Invalid(file, "has a header that does not begin with '{'");
  absl::StatusOr<json> root = ParseJson(file, header, /*unique_names=*/true);
  if (!root.ok()) {
    return Invalid(file, absl::StrCat("has a header that ",
                                      ToDiagnostic(root.status()).message()));
  }
  StoredTensors tensors;
  for (const auto& [name, entry] : root->items()) {
    if (name == "__metadata__") continue;
    AUTOTP_ASSIGN_OR_RETURN(StoredTensor tensor,
                            ParseTensor(file, name, entry));
    tensors.emplace(name, std::move(tensor));
  }
  AUTOTP_RETURN_IF_ERROR(CheckLayout(file, tensors, data_bytes));
  return tensors;
}

absl::StatusOr<StoredTensors> ReadSafetensorsHeader(const std::string& path) {
  std::error_code error;
  const bool regular = std::filesystem::is_regular_file(path, error);
  const uintmax_t size = regular ? std::filesystem::file_size(path, error) : 0;
  std::ifstream in(path, std::ios::binary);
  if (!regular || error || !in) {
    return ToStatus({.reason = "WEIGHTS_UNREADABLE",
                     .file = path,
                     .message = "is missing or cannot be read"},
                    absl::StatusCode::kNotFound);
  }
  const auto bytes = static_cast<int64_t>(size);
  unsigned char prefix[kPrefixBytes];
  if (bytes < kPrefixBytes ||
      !in.read(reinterpret_cast<char*>(prefix), kPrefixBytes)) {
    return Truncated(
        path, absl::StrCat("has ", bytes, " bytes, too few for a header"));
  }
  uint64_t length = 0;
  for (int i = kPrefixBytes - 1; i >= 0; --i) length = length << 8 | prefix[i];
  if (length > uint64_t{kMostHeaderBytes}) {
    return Invalid(path, absl::StrCat("announces a header of ", length,
                                      " bytes, this is no safetensors file"));
  }
  const auto header_bytes = static_cast<int64_t>(length);
  if (header_bytes > bytes - kPrefixBytes) {
    return Truncated(path, absl::StrCat("announces a header of ", header_bytes,
                                        " bytes, but has only ", bytes));
  }
  std::string header(length, '\0');
  if (!in.read(header.data(), header_bytes))
    return Truncated(path, "ends inside its header");
  return ParseSafetensorsHeader(path, header,
                                bytes - kPrefixBytes - header_bytes);
}

}  // namespace autotp::model
