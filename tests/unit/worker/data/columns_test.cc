// Goal: named columns of JSON lines and safetensors arrive as the program asks
// for them; what is missing, misshapen or mistyped is one message with file,
// place and column.
#include "worker/data/column.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/worker/data/bytes.h"
#include "worker/data/dataset.h"

namespace autotp::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename T>
std::vector<T> Numbers(const void* data, int64_t count) {
  std::vector<T> numbers(count);
  std::memcpy(numbers.data(), data, count * sizeof(T));
  return numbers;
}

std::vector<Column> Columns() {
  return {{"x", {2, 2}, ColumnType::kFloat, 0},
          {"input_ids", {3}, ColumnType::kInteger, 10},
          {"mask", {}, ColumnType::kBool, 0}};
}

class ColumnsTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& bytes) {
    const std::string path = folder_ / name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

  static absl::StatusOr<std::unique_ptr<Dataset>> Open(
      const std::string& path) {
    v1::DataSource source;
    source.set_path(path);
    return OpenColumns(source, Columns());
  }

  static std::string Safetensors(const std::string& header,
                                 const std::string& data) {
    return Bytes<uint64_t>({header.size()}) + header + data;
  }

  std::string ErrorOf(const std::string& path) {
    const auto data = Open(path);
    EXPECT_FALSE(data.ok());
    return std::string(data.status().message());
  }

  std::string JsonError(const std::string& line) {
    return ErrorOf(Write("bad.jsonl", "\n" + line + "\n"));
  }

  testing::TempDir folder_;
};

TEST_F(ColumnsTest, JsonLinesYieldNestedAndFlatLists) {
  const std::string path = Write(
      "data.jsonl",
      R"({"x": [[1, 2.5], [3, -4]], "input_ids": [1, 2, 3], "mask": true})"
      "\n\n"
      R"({"mask": 0, "x": [5, 6, 7, 8], "input_ids": [9, 0, 1], "more": "?"})");
  const auto data = Open(path);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ((*data)->sequence_count(), 2);
  const auto batch = ReadBatch(**data, {1, 0});
  ASSERT_TRUE(batch.ok()) << batch.status();
  const std::vector<const void*> inputs = batch->Inputs(3);
  EXPECT_THAT(Numbers<float>(inputs[0], 8),
              ElementsAre(5, 6, 7, 8, 1, 2.5f, 3, -4));
  EXPECT_THAT(Numbers<int64_t>(inputs[1], 6), ElementsAre(9, 0, 1, 1, 2, 3));
  EXPECT_THAT(Numbers<char>(inputs[2], 2), ElementsAre(0, 1));
}

TEST_F(ColumnsTest, MalformedLinesAreNamedByPlaceAndColumn) {
  EXPECT_THAT(JsonError(R"({"x": [1, 2, 3, 4], "mask": true})"),
              AllOf(HasSubstr("bad.jsonl:2: lacks the column \"input_ids\""),
                    HasSubstr("it has mask, x")));
  EXPECT_THAT(
      JsonError(R"({"x": [1, 2, 3], "input_ids": [1, 2, 3], "mask": true})"),
      HasSubstr("\"x\" has to hold 4 floats in shape [2,2]; dimension 0 is a "
                "list of 3"));
  EXPECT_THAT(
      JsonError(R"({"x": [[1, 2], 3], "input_ids": [1, 2, 3], "mask": true})"),
      HasSubstr("dimension 1 is number"));
  EXPECT_THAT(
      JsonError(R"({"x": [1, 2, 3, 4], "input_ids": [1, 2.5], "mask": true})"),
      HasSubstr("dimension 0 is a list of 2"));
  EXPECT_THAT(
      JsonError(
          R"({"x": [1, 2, 3, 4], "input_ids": [1, 2.5, 3], "mask": true})"),
      HasSubstr("\"input_ids\" number 1 is 2.5, not one of integers"));
  EXPECT_THAT(
      JsonError(R"({"x": [1, 2, 3, 4], "input_ids": [1, 10, 3], "mask": 1})"),
      HasSubstr("\"input_ids\" number 1 is 10, beyond the vocabulary of 10"));
  EXPECT_THAT(
      JsonError(R"({"x": [1, 2, 3, 4], "input_ids": [1, 1, 3], "mask": 2})"),
      HasSubstr("\"mask\" number 0 is 2, not one of bools"));
  EXPECT_THAT(JsonError("[1, 2]"), HasSubstr("not a JSON object"));
}

TEST_F(ColumnsTest, SafetensorsYieldRowsInTheTypesAskedFor) {
  const std::string header =
      R"({"input_ids":{"dtype":"I32","shape":[2,3],"data_offsets":[0,24]},)"
      R"("mask":{"dtype":"BOOL","shape":[2],"data_offsets":[24,26]},)"
      R"("x":{"dtype":"BF16","shape":[2,2,2],"data_offsets":[26,42]}})";
  const std::string data =
      Bytes<int32_t>({1, 2, 3, 4, 5, 6}) + std::string("\0\1", 2) +
      Bytes<uint16_t>({0x3f80, 0x4000, 0, 0, 0xbf80, 0, 0, 0x4000});
  const auto columns =
      Open(Write("data.safetensors", Safetensors(header, data)));
  ASSERT_TRUE(columns.ok()) << columns.status();
  const auto batch = ReadBatch(**columns, {1});
  ASSERT_TRUE(batch.ok()) << batch.status();
  const std::vector<const void*> inputs = batch->Inputs(3);
  EXPECT_THAT(Numbers<float>(inputs[0], 4), ElementsAre(-1, 0, 0, 2));
  EXPECT_THAT(Numbers<int64_t>(inputs[1], 3), ElementsAre(4, 5, 6));
  EXPECT_THAT(Numbers<char>(inputs[2], 1), ElementsAre(1));
}

TEST_F(ColumnsTest, SafetensorsThatDoNotFitAreNamedByTensorAndByte) {
  EXPECT_THAT(ErrorOf(Write("bad.safetensors", Safetensors("{", "1234"))),
              HasSubstr("bad.safetensors: "));
  const std::string header =
      R"({"x":{"dtype":"F32","shape":[2,4],"data_offsets":[0,32]}})";
  EXPECT_THAT(ErrorOf(Write("shape.safetensors",
                            Safetensors(header, std::string(32, '\0')))),
              AllOf(HasSubstr("shape.safetensors: tensor \"x\" (F32 [2,4], "
                              "byte 65)"),
                    HasSubstr("has to be of shape [rows,2,2]")));
  const std::string floats =
      R"({"x":{"dtype":"F32","shape":[1,2,2],"data_offsets":[0,16]},)"
      R"("input_ids":{"dtype":"F32","shape":[1,3],"data_offsets":[16,28]}})";
  EXPECT_THAT(ErrorOf(Write("type.safetensors",
                            Safetensors(floats, std::string(28, '\0')))),
              HasSubstr("does not hold integers"));
  EXPECT_THAT(ErrorOf(Write("cut.safetensors", "\x10")),
              HasSubstr("header is cut short"));
  EXPECT_THAT(ErrorOf(Write("tokens.bin", "1234")),
              HasSubstr("the model's inputs are x, input_ids, mask; give them "
                        "as columns of a .jsonl or .safetensors file"));
}

v1::Program ProgramOf(const std::vector<std::string>& names) {
  v1::Program program;
  for (const std::string& name : names) {
    v1::Value& value = *program.add_values();
    value.set_name(name);
    value.set_kind(v1::Value::KIND_INDEX);
    value.add_shape(2);
    value.add_shape(8);
    program.add_inputs(program.values_size() - 1);
  }
  return program;
}

TEST(ProgramColumnsTest, InputsBecomeColumnsWithoutTheMicroBatch) {
  v1::Program program = ProgramOf({"decoder_input_ids", "attention_mask"});
  program.mutable_values(1)->set_kind(v1::Value::KIND_FLOAT);
  const auto columns = ColumnsOf(program, 100);
  ASSERT_TRUE(columns.ok()) << columns.status();
  EXPECT_EQ((*columns)[0].below, 100);
  EXPECT_THAT((*columns)[0].shape, ElementsAre(8));
  EXPECT_EQ((*columns)[1].type, ColumnType::kFloat);
  EXPECT_EQ((*columns)[1].below, 0);
  EXPECT_FALSE(TakesTokens(program));
  EXPECT_TRUE(TakesTokens(ProgramOf({"input_ids", "labels"})));
  EXPECT_TRUE(TakesTokens(ProgramOf({"input_ids", "labels", "positions"})));
  EXPECT_FALSE(TakesTokens(ProgramOf({"input_ids", "attention_mask"})));
  program.mutable_values(0)->clear_shape();
  EXPECT_FALSE(ColumnsOf(program, 100).ok());
}

}  // namespace
}  // namespace autotp::data
