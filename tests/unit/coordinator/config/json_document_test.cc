#include "coordinator/config/json_document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/coordinator/config/config_testing.h"

namespace autotp::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string PlaceText(const SourcePlace& place) {
  return absl::StrCat(place.json_pointer, " ", place.line, ":", place.column);
}

TEST(JsonDocumentTest, EveryValueKnowsItsPlace) {
  Diagnostics diagnostics;
  const auto document = JsonDocument::Parse(
      "{\n"
      "  \"a\": 1,  // one\n"
      "  \"b\": {\"c/d\": [true, -2.5e3, \"x\\\"]\"], \"e~\": null}\n"
      "}\n",
      "ds.json", &diagnostics);
  ASSERT_TRUE(document.has_value());
  const JsonNode& root = document->root();
  EXPECT_EQ(PlaceText(document->PlaceOf(root)), " 1:1");
  EXPECT_EQ(PlaceText(document->PlaceOf(*root.Find("a"))), "/a 2:8");
  EXPECT_EQ(PlaceText(document->PlaceOfKey(root.members[0])), "/a 2:3");
  const JsonNode& b = *root.Find("b");
  EXPECT_EQ(PlaceText(document->PlaceOf(b)), "/b 3:8");
  const JsonNode& list = *b.Find("c/d");
  EXPECT_EQ(PlaceText(document->PlaceOf(list)), "/b/c~1d 3:16");
  EXPECT_EQ(PlaceText(document->PlaceOf(list.elements[0])), "/b/c~1d/0 3:17");
  EXPECT_EQ(PlaceText(document->PlaceOf(list.elements[1])), "/b/c~1d/1 3:23");
  EXPECT_EQ(PlaceText(document->PlaceOf(list.elements[2])), "/b/c~1d/2 3:31");
  EXPECT_EQ(PlaceText(document->PlaceOf(*b.Find("e~"))), "/b/e~0 3:46");
  EXPECT_EQ(list.elements[2].text, "x\"]");
  EXPECT_EQ(list.elements[1].number, -2500);
  EXPECT_EQ(document->Written(list.elements[1]), "-2.5e3");
  EXPECT_EQ(document->Written(b),
            "{\"c/d\": [true, -2.5e3, \"x\\\"]\"], \"e~\": null}");
}

TEST(JsonDocumentTest, ColumnsCountCharacters) {
  Diagnostics diagnostics;
  const auto document =
      JsonDocument::Parse("\xEF\xBB\xBF{\"\xC3\xA9\": /* \xE2\x82\xAC */ 7}",
                          "ds.json", &diagnostics);
  ASSERT_TRUE(document.has_value());
  EXPECT_EQ(document->PlaceOf(document->root().members[0].value).column, 15);
}

TEST(JsonDocumentTest, QuotesStayUtf8OnOneLine) {
  Diagnostics diagnostics;
  const auto document = JsonDocument::Parse(
      "{\"a\": [1,\n  \"\xE2\x82\xAC\xE2\x82\xAC\"]}", "ds.json", &diagnostics);
  ASSERT_TRUE(document.has_value());
  const JsonNode& a = *document->root().Find("a");
  EXPECT_EQ(document->Written(a), "[1, \"\xE2\x82\xAC\xE2\x82\xAC\"]");
  EXPECT_EQ(document->Written(a, 6), "[1, \"...");
  EXPECT_EQ(document->Written(a, 8), "[1, \"\xE2\x82\xAC...");
  diagnostics.Error({"x\xFF"}, "R", "a\xC3(\xE2\x82\xAC\xE2\x82");
  EXPECT_EQ(diagnostics.all()[0].message(), "a?(\xE2\x82\xAC??");
  EXPECT_EQ(diagnostics.all()[0].file(), "x?");
}

TEST(JsonDocumentTest, CommentsAndTrailingCommasPass) {
  Diagnostics diagnostics;
  const auto document = JsonDocument::Parse(
      "# a hash\n/* many\n lines, */{\"a\": [1, 2, /* , */ ], // ] }\n"
      "\"url\": \"http://x#y/*z*/,]\",}",
      "ds.json", &diagnostics);
  ASSERT_TRUE(document.has_value()) << diagnostics.all()[0].ShortDebugString();
  EXPECT_EQ(document->root().Find("a")->elements.size(), 2u);
  EXPECT_EQ(document->root().Find("url")->text, "http://x#y/*z*/,]");
}

TEST(JsonDocumentTest, DuplicateKeysAtAnyDepth) {
  Diagnostics diagnostics;
  const auto document = JsonDocument::Parse(
      "{\"a\": {\"x\": 1,\n \"x\": 2},\n\"a\": 3,"
      " \"b\": [{\"y\": 1, \"y\": 1}]}",
      "ds.json", &diagnostics);
  ASSERT_TRUE(document.has_value());
  EXPECT_TRUE(document->root().Find("a")->is_object());
  EXPECT_THAT(Found(diagnostics),
              ElementsAre("DUPLICATE_KEY /a/x 2:2", "DUPLICATE_KEY /a 3:1",
                          "DUPLICATE_KEY /b/0/y 3:24"));
}

TEST(JsonDocumentTest, WhatElseIsWrongBesideADuplicateIsSaid) {
  EXPECT_THAT(Found(Read("{\"train_batch_size\": 8,\n"
                         "\"train_batch_size\": 8,\n\"stag\": 1}")
                        .diagnostics),
              ElementsAre("DUPLICATE_KEY /train_batch_size 2:1",
                          "UNKNOWN_KEY /stag 3:1"));
}

TEST(JsonDocumentTest, SyntaxErrorsSayWhere) {
  struct Case {
    std::string text;
    std::string found;
  };
  for (const Case& c :
       std::vector<Case>{{"{\"a\": tru}", "JSON_SYNTAX_ERROR  1:7"},
                         {"{\"a\": 1,\n  b: 2}", "JSON_SYNTAX_ERROR  2:3"},
                         {"{\"a\": 1\n  \"b\": 2}", "JSON_SYNTAX_ERROR  2:3"},
                         {"{\"a\": 1,, \"b\": 2}", "JSON_SYNTAX_ERROR  1:9"},
                         {"", "JSON_SYNTAX_ERROR  1:1"},
                         {"{} x", "JSON_SYNTAX_ERROR  1:4"}}) {
    Diagnostics diagnostics;
    EXPECT_FALSE(
        JsonDocument::Parse(c.text, "ds.json", &diagnostics).has_value());
    EXPECT_THAT(Found(diagnostics), ElementsAre(c.found))
        << c.text << ": " << diagnostics.all()[0].message();
  }
}

TEST(JsonDocumentTest, AMissingCommaIsGuessed) {
  for (const auto& [text, suggestion] :
       std::vector<std::pair<std::string, std::string>>{
           {"{\"a\": 1\n \"b\": 2}", "write a comma before it"},
           {"{\"a\": true \"b\": 2}", "write a comma before it"},
           {"[{} {}]", "write a comma before it"},
           {"{\"a\": 1,, \"b\": 2}", ""},
           {"{\"a\" 1}", ""},
           {"{} x", ""},
           {"", ""}}) {
    Diagnostics diagnostics;
    JsonDocument::Parse(text, "ds.json", &diagnostics);
    EXPECT_EQ(First(diagnostics, "JSON_SYNTAX_ERROR").suggestion(), suggestion)
        << text;
  }
}

TEST(JsonDocumentTest, DepthIsBounded) {
  Diagnostics diagnostics;
  EXPECT_FALSE(
      JsonDocument::Parse(std::string(100000, '['), "ds.json", &diagnostics)
          .has_value());
  EXPECT_EQ(First(diagnostics, "JSON_TOO_DEEP").column(), 65);
}

TEST(JsonDocumentTest, HugeIntegersBecomeNumbers) {
  Diagnostics diagnostics;
  const auto document = JsonDocument::Parse("[18446744073709551615, 5e8]",
                                            "ds.json", &diagnostics);
  ASSERT_TRUE(document.has_value());
  EXPECT_EQ(document->root().elements[0].kind, JsonNode::Kind::kNumber);
  EXPECT_EQ(document->root().elements[1].number, 5e8);
}

}  // namespace
}  // namespace autotp::config
