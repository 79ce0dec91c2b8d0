#include "coordinator/config/json_document.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace autotp::config {
namespace {

constexpr size_t kMaximumDepth = 64;

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Writes spaces over [begin, end), keeping line ends, so offsets stay true.
void Blank(std::string* text, size_t begin, size_t end) {
  for (size_t i = begin; i < end && i < text->size(); ++i) {
    if (!IsBlank((*text)[i])) (*text)[i] = ' ';
  }
}

// The end of the string that begins with the quote at `begin`.
size_t StringEnd(absl::string_view text, size_t begin) {
  size_t i = begin + 1;
  while (i < text.size() && text[i] != '"') i += text[i] == '\\' ? 2 : 1;
  return std::min(i + 1, text.size());
}

// The end of the comment at `begin`; `begin` where there is none.
size_t CommentEnd(absl::string_view text, size_t begin) {
  const absl::string_view rest = text.substr(begin);
  if (rest[0] == '#' || rest.substr(0, 2) == "//") {
    return std::min(text.find('\n', begin), text.size());
  }
  if (rest.substr(0, 2) == "/*") {
    const size_t close = text.find("*/", begin + 2);
    // Left as it is when unclosed: the parser then reports its beginning.
    return close == absl::string_view::npos ? begin : close + 2;
  }
  return begin;
}

// Turns comments and trailing commas into spaces.
std::string ToStrictJson(std::string text) {
  size_t comma = std::string::npos;  // the last token, if it is a comma
  for (size_t i = 0; i < text.size();) {
    if (IsBlank(text[i])) {
      ++i;
    } else if (size_t end = CommentEnd(text, i); end > i) {
      Blank(&text, i, end);
      i = end;
    } else if (text[i] == '"') {
      comma = std::string::npos;
      i = StringEnd(text, i);
    } else {
      if ((text[i] == '}' || text[i] == ']') && comma != std::string::npos) {
        text[comma] = ' ';
      }
      comma = text[i] == ',' ? i : std::string::npos;
      ++i;
    }
  }
  return text;
}

std::string PointerToken(absl::string_view name) {
  return absl::StrReplaceAll(name, {{"~", "~0"}, {"/", "~1"}});
}

// Builds the tree from the library's events. The library reports no
// positions, but its events come in the order of the text: a cursor follows.
class TreeBuilder {
 public:
  struct Problem {
    size_t offset = 0;
    std::string pointer;
    std::string reason;
    std::string message;
    std::string suggestion;
  };

  TreeBuilder(absl::string_view text, JsonNode* root)
      : text_(text), root_(root) {}

  // The events of nlohmann's SAX interface; false stops the parser.
  bool null() { return Scalar(JsonNode::Kind::kNull) != nullptr; }
  bool boolean(bool value) {
    Scalar(JsonNode::Kind::kBoolean)->boolean = value;
    return true;
  }
  bool number_integer(int64_t value) {
    JsonNode* node = Scalar(JsonNode::Kind::kInteger);
    node->integer = value;
    node->number = static_cast<double>(value);
    return true;
  }
  bool number_unsigned(uint64_t value) {
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      Scalar(JsonNode::Kind::kNumber)->number = static_cast<double>(value);
      return true;
    }
    return number_integer(static_cast<int64_t>(value));
  }
  bool number_float(double value, const std::string&) {
    Scalar(JsonNode::Kind::kNumber)->number = value;
    return true;
  }
  bool string(std::string& value) {
    Scalar(JsonNode::Kind::kString)->text = std::move(value);
    return true;
  }
  bool binary(std::vector<uint8_t>&) { return false; }
  bool start_object(size_t) { return Open(JsonNode::Kind::kObject); }
  bool start_array(size_t) { return Open(JsonNode::Kind::kArray); }
  bool end_object() { return Close(); }
  bool end_array() { return Close(); }

  bool key(std::string& name) {
    JsonNode* object = stack_.back().node;
    const size_t begin = SkipTo();
    cursor_ = StringEnd(text_, begin);
    if (!stack_.back().names.insert(name).second) {
      problems_.push_back(
          {begin, absl::StrCat(object->pointer, "/", PointerToken(name)),
           "DUPLICATE_KEY",
           absl::StrCat("key \"", Shortened(name), "\" appears twice in ",
                        object->pointer.empty()
                            ? "the document"
                            : Shortened(object->pointer, 200),
                        "; one of the two would be ignored")});
    }
    object->members.push_back({name, begin, {}});
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::json::exception& error) {
    // The cursor stands behind the last good token; the library has read at
    // least the first byte of the bad one.
    const size_t begin =
        std::min(SkipTo(), position > 0 ? position - 1 : size_t{0});
    problems_.push_back({begin, "", "JSON_SYNTAX_ERROR",
                         absl::StrCat("not JSON: ", Detail(error.what())),
                         Advice(begin)});
    return false;
  }

  const std::vector<Problem>& problems() const { return problems_; }

 private:
  // Of a text that goes wrong at `begin`.
  std::string Advice(size_t begin) const {
    size_t before = begin;
    while (before > 0 &&
           absl::ascii_isspace(static_cast<unsigned char>(text_[before - 1])))
      --before;
    if (begin >= text_.size() || before == 0) return "";
    const absl::string_view ends = "\"}]0123456789el";
    const absl::string_view begins = "\"{[";
    const bool lacks_comma =
        before < begin &&
        ends.find(text_[before - 1]) != absl::string_view::npos &&
        begins.find(text_[begin]) != absl::string_view::npos;
    return lacks_comma ? "write a comma before it" : "";
  }

  // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax
  // error while parsing A; last read: 'B'; expected C": only A and C are for
  // people.
  static std::string Detail(std::string text) {
    for (const std::string mark : {"] ", "syntax error "}) {
      const size_t at = text.find(mark);
      if (at != std::string::npos) text.erase(0, at + mark.size());
    }
    const size_t begin = text.find("; last read: '");
    if (begin != std::string::npos) {
      const size_t end = text.rfind('\'');
      text.erase(begin, end + 1 - begin);
    }
    return text;
  }

  // The next token's first byte.
  size_t SkipTo() {
    while (cursor_ < text_.size() &&
           (IsBlank(text_[cursor_]) || text_[cursor_] == ',' ||
            text_[cursor_] == ':')) {
      ++cursor_;
    }
    return cursor_;
  }

  JsonNode* NewNode(JsonNode::Kind kind) {
    JsonNode* node = root_;
    if (!stack_.empty()) {
      JsonNode* parent = stack_.back().node;
      if (parent->is_object()) {
        JsonMember& member = parent->members.back();
        node = &member.value;
        node->pointer =
            absl::StrCat(parent->pointer, "/", PointerToken(member.name));
      } else {
        node = &parent->elements.emplace_back();
        node->pointer =
            absl::StrCat(parent->pointer, "/", parent->elements.size() - 1);
      }
    }
    node->kind = kind;
    node->begin = SkipTo();
    return node;
  }

  JsonNode* Scalar(JsonNode::Kind kind) {
    JsonNode* node = NewNode(kind);
    if (kind == JsonNode::Kind::kString) {
      cursor_ = StringEnd(text_, cursor_);
    } else {
      cursor_ =
          std::min(text_.find_first_of(",]} \t\r\n", cursor_), text_.size());
    }
    node->end = cursor_;
    return node;
  }

  bool Open(JsonNode::Kind kind) {
    JsonNode* node = NewNode(kind);
    ++cursor_;
    // Parents keep their children in vectors: a child's address is stable
    // while it is open, since its parent gets no other child meanwhile.
    stack_.push_back({node, {}});
    if (stack_.size() <= kMaximumDepth) return true;
    problems_.push_back(
        {node->begin, "", "JSON_TOO_DEEP",
         absl::StrCat("nested deeper than ", kMaximumDepth, " levels")});
    return false;
  }

  bool Close() {
    SkipTo();
    stack_.back().node->end = ++cursor_;
    stack_.pop_back();
    return true;
  }

  struct Level {
    JsonNode* node;
    std::set<std::string> names;  // of an object, so far
  };

  absl::string_view text_;
  JsonNode* root_;
  size_t cursor_ = 0;
  std::vector<Level> stack_;
  std::vector<Problem> problems_;
};

}  // namespace

const JsonNode* JsonNode::Find(absl::string_view name) const {
  for (const JsonMember& member : members) {
    if (member.name == name) return &member.value;
  }
  return nullptr;
}

std::optional<JsonDocument> JsonDocument::Parse(std::string text,
                                                std::string file,
                                                Diagnostics* diagnostics) {
  if (absl::string_view(text).substr(0, 3) == "\xEF\xBB\xBF") {
    text.erase(0, 3);
  }
  const std::string strict = ToStrictJson(text);
  JsonDocument document(std::move(text), std::move(file));
  TreeBuilder builder(strict, &document.root_);
  nlohmann::json::sax_parse(strict, &builder);
  for (const TreeBuilder::Problem& problem : builder.problems()) {
    diagnostics->Error(document.PlaceAt(problem.offset, problem.pointer),
                       problem.reason, problem.message, problem.suggestion);
  }
  // With a key that stands twice the rest can still be read, and judged.
  for (const TreeBuilder::Problem& problem : builder.problems()) {
    if (problem.reason != "DUPLICATE_KEY") return std::nullopt;
  }
  return document;
}

SourcePlace JsonDocument::PlaceOf(const JsonNode& node) const {
  return PlaceAt(node.begin, node.pointer);
}

SourcePlace JsonDocument::PlaceOfKey(const JsonMember& member) const {
  return PlaceAt(member.name_begin, member.value.pointer);
}

std::string JsonDocument::Written(const JsonNode& node, size_t limit) const {
  std::string written = text_.substr(node.begin, node.end - node.begin);
  absl::RemoveExtraAsciiWhitespace(&written);
  return Shortened(written, limit);
}

SourcePlace JsonDocument::PlaceAt(size_t offset, std::string pointer) const {
  SourcePlace place{file_, std::move(pointer), 1, 1};
  for (size_t i = 0; i < offset && i < text_.size(); ++i) {
    if (text_[i] == '\n') {
      ++place.line;
      place.column = 1;
    } else if ((static_cast<unsigned char>(text_[i]) & 0xC0) != 0x80) {
      ++place.column;
    }
  }
  return place;
}

std::string Shortened(absl::string_view text, size_t limit) {
  if (text.size() <= limit) return std::string(text);
  while (limit > 0 &&
         (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) {
    --limit;
  }
  return absl::StrCat(text.substr(0, limit), "...");
}

absl::string_view KindName(JsonNode::Kind kind) {
  switch (kind) {
    case JsonNode::Kind::kNull:
      return "null";
    case JsonNode::Kind::kBoolean:
      return "a boolean";
    case JsonNode::Kind::kInteger:
      return "an integer";
    case JsonNode::Kind::kNumber:
      return "a number";
    case JsonNode::Kind::kString:
      return "a string";
    case JsonNode::Kind::kArray:
      return "a list";
    case JsonNode::Kind::kObject:
      return "an object";
  }
  return "";
}

}  // namespace autotp::config
