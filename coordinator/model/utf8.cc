#include "coordinator/model/utf8.h"

#include <cstddef>
#include <cstdint>

namespace autotp::model {
namespace {

struct Lead {
  size_t length = 0;      // 0: no character begins with this byte
  uint32_t bits = 0;      // of the character
  uint32_t smallest = 0;  // that needs this length
};

Lead ReadLead(unsigned char byte) {
  if (byte < 0x80) return {1, byte, 0};
  if (byte >= 0xC0 && byte < 0xE0) return {2, byte & 0x1FU, 0x80};
  if (byte >= 0xE0 && byte < 0xF0) return {3, byte & 0x0FU, 0x800};
  if (byte >= 0xF0 && byte < 0xF8) return {4, byte & 0x07U, 0x10000};
  return {};
}

// Bytes of the character at the beginning of `text`; 0: there is none.
size_t CharacterLength(absl::string_view text) {
  const Lead lead = ReadLead(static_cast<unsigned char>(text[0]));
  if (lead.length == 0 || lead.length > text.size()) return 0;
  uint32_t code = lead.bits;
  for (size_t i = 1; i < lead.length; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xC0) != 0x80) return 0;
    code = code << 6 | (byte & 0x3FU);
  }
  const bool surrogate = code >= 0xD800 && code < 0xE000;
  if (code < lead.smallest || code > 0x10FFFF || surrogate) return 0;
  return lead.length;
}

}  // namespace

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    const size_t length = CharacterLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string ToUtf8(absl::string_view text) {
  std::string clean;
  while (!text.empty()) {
    const size_t length = CharacterLength(text);
    if (length == 0) {
      clean.push_back('?');
      text.remove_prefix(1);
      continue;
    }
    clean.append(text.data(), length);
    text.remove_prefix(length);
  }
  return clean;
}

}  // namespace autotp::model
