// json_document.h -- a JSON text as a tree whose values know where they stand.
//
// Beyond JSON it takes what hand-written DeepSpeed files have: comments (//,
// #, /* */) and trailing commas. Duplicate keys are errors at any depth.
//
// Threading: a parsed document is constant; any thread may read it.
#ifndef AUTOTP_COORDINATOR_CONFIG_JSON_DOCUMENT_H_
#define AUTOTP_COORDINATOR_CONFIG_JSON_DOCUMENT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "coordinator/config/diagnostics.h"

namespace autotp::config {

struct JsonMember;

struct JsonNode {
  enum class Kind {
    kNull,
    kBoolean,
    kInteger,  // fits int64 and is written without '.' and 'e'
    kNumber,
    kString,
    kArray,
    kObject,
  };
  Kind kind = Kind::kNull;
  bool boolean = false;
  int64_t integer = 0;
  double number = 0;  // also set for kInteger
  std::string text;   // of a kString
  std::vector<JsonNode> elements;
  std::vector<JsonMember> members;  // in the order of the text

  size_t begin = 0;  // byte range in the text
  size_t end = 0;
  std::string pointer;  // RFC 6901

  bool is_object() const { return kind == Kind::kObject; }
  bool is_array() const { return kind == Kind::kArray; }
  bool is_string() const { return kind == Kind::kString; }
  // The member's value; null where there is none, or this is no object.
  const JsonNode* Find(absl::string_view name) const;
};

struct JsonMember {
  std::string name;
  size_t name_begin = 0;
  JsonNode value;
};

class JsonDocument {
 public:
  // nullopt after reporting JSON_SYNTAX_ERROR or JSON_TOO_DEEP (over 64
  // levels). Every DUPLICATE_KEY is reported; all of them are members then,
  // and Find() finds the first.
  static std::optional<JsonDocument> Parse(std::string text, std::string file,
                                           Diagnostics* diagnostics);

  const JsonNode& root() const { return root_; }
  const std::string& file() const { return file_; }

  // Columns count characters (UTF-8), not bytes.
  SourcePlace PlaceOf(const JsonNode& node) const;
  SourcePlace PlaceOfKey(const JsonMember& member) const;

  // The value as it is written, on one line, cut to about `limit` bytes.
  std::string Written(const JsonNode& node, size_t limit = 60) const;

 private:
  JsonDocument(std::string text, std::string file)
      : text_(std::move(text)), file_(std::move(file)) {}
  SourcePlace PlaceAt(size_t offset, std::string pointer) const;

  std::string text_;
  std::string file_;
  JsonNode root_;
};

// `text` for a message: cut to about `limit` bytes, whole characters.
std::string Shortened(absl::string_view text, size_t limit = 60);

// "a", "an object", "a string": for messages.
absl::string_view KindName(JsonNode::Kind kind);

}  // namespace autotp::config

#endif  // AUTOTP_COORDINATOR_CONFIG_JSON_DOCUMENT_H_
